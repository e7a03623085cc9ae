/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
import { describe, expect, test } from 'vitest'
import { parseCidr, parseIp } from '@weft/ip'
import type { JsonObject, KubeObject } from '../json.ts'
import { failure, makeDefaultNamespace, SERVICES, startServer } from '../testing/start-server.ts'
import { AddressRange } from './address-range.ts'

type Spec = { clusterIP?: string, clusterIPs?: string[], ipFamilies?: string[], ipFamilyPolicy?: string, healthCheckNodePort?: number, ports: { nodePort?: number }[] }

async function withServices(body: (tools: { create: (name: string, spec: JsonObject) => Promise<Spec>, update: (name: string, spec: JsonObject) => Promise<Spec>, refused: (spec: JsonObject) => Promise<string>, remove: (name: string) => Promise<unknown> }) => Promise<void>): Promise<void> {
  await using started = await startServer()
  const { client } = started.server
  await makeDefaultNamespace(client)
  const withPorts = (spec: JsonObject): JsonObject => ({ ports: [{ port: 80 }], ...spec })
  const create = async (name: string, spec: JsonObject): Promise<Spec> => (await client.request<KubeObject>('POST', SERVICES, { body: { metadata: { name }, spec: withPorts(spec) } }))['spec'] as Spec
  await body({
    create,
    update: async (name, spec) => (await client.request<KubeObject>('PUT', `${SERVICES}/${name}`, { body: { metadata: { name }, spec: withPorts(spec) } }))['spec'] as Spec,
    refused: async spec => (await failure(create('refused', spec))).message,
    remove: name => client.request('DELETE', `${SERVICES}/${name}`),
  })
}

describe('Service addresses', () => {
  test('SingleStack, PreferDualStack, RequireDualStack and headless', () => withServices(async ({ create }) => {
    const single = await create('single', {})
    expect(single).toMatchObject({ ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack', clusterIPs: [single.clusterIP] })
    const dual = await create('dual', { ipFamilyPolicy: 'PreferDualStack' })
    expect(dual.ipFamilies).toEqual(['IPv4', 'IPv6'])
    expect(dual.clusterIPs?.[1]).toMatch(/^fd00:10:96::/u)
    expect((await create('six', { ipFamilies: ['IPv6'], ipFamilyPolicy: 'RequireDualStack' })).ipFamilies).toEqual(['IPv6', 'IPv4'])
    expect(await create('headless', { clusterIP: 'None', selector: { a: 'b' } })).toMatchObject({ clusterIPs: ['None'], ipFamilies: ['IPv4'] })
    // Without a selector nobody knows the families: both.
    expect(await create('bare', { clusterIP: 'None' })).toMatchObject({ clusterIPs: ['None'], ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' })
    const external = await create('external', { type: 'ExternalName', externalName: 'example.com', ports: [] })
    expect(external).not.toHaveProperty('clusterIP')
  }))

  test('a requested address is honoured once and refused when taken or outside', () => withServices(async ({ create, refused, remove }) => {
    expect((await create('dns', { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10', 'fd00:10:96::a'], ipFamilyPolicy: 'RequireDualStack' })).clusterIPs).toEqual(['10.96.0.10', 'fd00:10:96::a'])
    expect(await refused({ clusterIP: '10.96.0.10' })).toContain('spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: provided IP is already allocated')
    expect(await refused({ clusterIP: '10.97.0.10' })).toContain('the provided IP (10.97.0.10) is not in the valid range. The range of valid IPs is 10.96.0.0/16')
    expect(await refused({ clusterIP: 'nonsense' })).toContain('must be a valid IP address')
    await remove('dns')
    expect((await create('again', { clusterIP: '10.96.0.10' })).clusterIP).toBe('10.96.0.10')
  }))

  test('updates keep what was allocated, and follow the family policy', () => withServices(async ({ create, update }) => {
    const created = await create('web', {})
    const dual = await update('web', { ipFamilyPolicy: 'PreferDualStack' })
    expect(dual.clusterIPs?.[0]).toBe(created.clusterIP)
    expect(dual.clusterIPs).toHaveLength(2)
    const single = await update('web', { ipFamilyPolicy: 'SingleStack' })
    expect(single.clusterIPs).toEqual([created.clusterIP])
    expect((await failure(update('web', { clusterIP: '10.96.200.200' }))).message).toContain('may not change once set')
  }))

  test('node ports: given, kept, shared by protocols, refused, released', () => withServices(async ({ create, update, refused }) => {
    const node = await create('node', { type: 'NodePort', ports: [{ name: 'u', port: 53, protocol: 'UDP' }, { name: 't', port: 53 }, { name: 'w', port: 80, nodePort: 30_080 }] })
    expect(node.ports[0]?.nodePort).toBe(node.ports[1]?.nodePort)
    expect(node.ports[2]?.nodePort).toBe(30_080)
    expect(await refused({ type: 'NodePort', ports: [{ port: 1, nodePort: 30_080 }] })).toContain('spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated')
    expect(await refused({ type: 'NodePort', ports: [{ port: 1, nodePort: 80 }] })).toContain('provided port is not in the valid range. The range of valid ports is 30000-32767')
    expect(await refused({ ports: [{ port: 1, nodePort: 30_081 }] })).toContain("may not be used when `type` is 'ClusterIP'")
    const local = await create('local', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' })
    expect(local.healthCheckNodePort).toBeGreaterThanOrEqual(30_000)
    expect((await create('none', { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false })).ports[0]).not.toHaveProperty('nodePort')
    const plain = await update('node', { type: 'ClusterIP', ports: [{ name: 'w', port: 80, nodePort: 30_080 }] })
    expect(plain.ports[0]).not.toHaveProperty('nodePort')
    expect((await create('next', { type: 'NodePort', ports: [{ port: 1, nodePort: 30_080 }] })).ports[0]?.nodePort).toBe(30_080)
  }))

  test('P10 one bad Service is refused by itself', () => withServices(async ({ create, refused }) => {
    expect(await refused({ externalIPs: ['127.0.0.1'] })).toContain('spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range')
    expect(await refused({ type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/33'] })).toContain('spec.loadBalancerSourceRanges[0]')
    expect(await refused({ sessionAffinity: 'Cookie' })).toContain('supported values: "ClientIP", "None"')
    expect(await refused({ ports: [{ port: 80 }, { port: 81 }] })).toContain('spec.ports[0].name: Required value')
    expect(await refused({ ports: [] })).toContain('spec.ports: Required value')
    await create('good', {})
  }))
})

test('AddressRange gives every address once, the chosen band last', () => {
  const range = new AddressRange(parseCidr('10.0.0.0/26'))
  const given: string[] = []
  for (let address = range.findFree(); address !== undefined; address = range.findFree()) {
    range.take(address)
    given.push(address)
  }
  expect(new Set(given).size).toBe(62)
  expect(given[0]).toBe('10.0.0.17')
  expect(given).not.toContain('10.0.0.0')
  expect(given).not.toContain('10.0.0.63')
  expect(range.contains(parseIp('10.0.0.63'))).toBe(false)
  range.release('10.0.0.5')
  expect(range.findFree()).toBe('10.0.0.5')
})
