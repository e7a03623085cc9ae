/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
import { describe, expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../apiserver/json.ts'
import { planSlices } from './endpoint-slice-controller.ts'
import { compileEndpoints, MAX_ENDPOINTS_PER_SLICE } from './endpoint-slices.ts'
import type { Pod, Service } from './model.ts'

const service = (spec: Partial<Service['spec']> = {}): Service => ({
  metadata: { name: 'web', namespace: 'default', uid: 's', resourceVersion: '1', creationTimestamp: '' },
  spec: { type: 'ClusterIP', clusterIP: '10.96.0.5', selector: { app: 'web' }, ipFamilies: ['IPv4'], ports: [{ port: 80, protocol: 'TCP', targetPort: 'http', name: 'http' }], ...spec },
})
const pod = (name: string, more: { ready?: boolean, terminating?: boolean, phase?: 'Running' | 'Failed', port?: number, hostname?: string, subdomain?: string } = {}): Pod => ({
  metadata: { name, namespace: 'default', uid: `uid-${name}`, resourceVersion: '1', creationTimestamp: '', ...(more.terminating === true ? { deletionTimestamp: 'now' } : {}) },
  spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i', ports: [{ name: 'http', containerPort: more.port ?? 8080, protocol: 'TCP' }] }], ...(more.hostname === undefined ? {} : { hostname: more.hostname }), ...(more.subdomain === undefined ? {} : { subdomain: more.subdomain }) },
  status: { phase: more.phase ?? 'Running', podIPs: [{ ip: `10.244.0.${name.charCodeAt(0)}` }, { ip: `fd00::${name.charCodeAt(0)}` }], conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True' }] },
})

describe('compileEndpoints()', () => {
  test('conditions follow readiness, termination and publishNotReadyAddresses', () => {
    const conditions = (target: Service, subject: Pod): unknown => compileEndpoints(target, [subject])[0]?.endpoints[0]?.['conditions']
    expect(conditions(service(), pod('a'))).toEqual({ ready: true, serving: true, terminating: false })
    expect(conditions(service(), pod('a', { ready: false }))).toEqual({ ready: false, serving: false, terminating: false })
    expect(conditions(service(), pod('a', { terminating: true }))).toEqual({ ready: false, serving: true, terminating: true })
    expect(conditions(service({ publishNotReadyAddresses: true }), pod('a', { ready: false }))).toEqual({ ready: true, serving: true, terminating: false })
    expect(compileEndpoints(service(), [pod('a', { phase: 'Failed' })])).toEqual([])
  })

  test('named ports split pods by what the name means to them; both families', () => {
    const groups = compileEndpoints(service({ ipFamilies: ['IPv4', 'IPv6'] }), [pod('b', { port: 9090 }), pod('a'), pod('c')])
    expect(groups.map(group => [group.family, group.ports[0]?.['port'], group.endpoints.length])).toEqual([['IPv4', 8080, 2], ['IPv4', 9090, 1], ['IPv6', 8080, 2], ['IPv6', 9090, 1]])
    expect(compileEndpoints(service({ ports: [{ port: 80, protocol: 'TCP', targetPort: 'other' }] }), [pod('a')])).toEqual([])
  })

  test('host names stand only under the headless Service of their subdomain', () => {
    const [group] = compileEndpoints(service(), [pod('a', { hostname: 'web-0', subdomain: 'web' }), pod('b', { hostname: 'x', subdomain: 'other' })])
    expect(group?.endpoints.map(endpoint => endpoint['hostname'])).toEqual(['web-0', undefined])
    expect(group?.endpoints[0]).toMatchObject({ nodeName: 'n1', targetRef: { kind: 'Pod', name: 'a', uid: 'uid-a' } })
  })
})

describe('planSlices()', () => {
  const existing = (slice: JsonObject, name: string): KubeObject => ({ ...slice, apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { ...(slice['metadata'] as JsonObject), name, uid: name, resourceVersion: '1', creationTimestamp: '' } })

  test('P11 writes nothing when nothing changed, and only the slice that did', () => {
    const pods = Array.from({ length: 250 }, (_, index) => ({ ...pod('a'), metadata: { ...pod('a').metadata, name: `p${index}`, uid: `u${index}` } }))
    const first = planSlices(service(), compileEndpoints(service(), pods), [])
    expect(first.write.map(slice => (slice['endpoints'] as JsonObject[]).length)).toEqual([MAX_ENDPOINTS_PER_SLICE, MAX_ENDPOINTS_PER_SLICE, 50])
    const slices = first.write.map((slice, index) => existing(slice, `web-${index}`))
    expect(planSlices(service(), compileEndpoints(service(), pods), slices)).toEqual({ write: [], remove: [] })
    const less = planSlices(service(), compileEndpoints(service(), pods.filter(one => one.metadata.name !== 'p7')), slices)
    expect(less.write).toHaveLength(1)
    expect(less.remove).toEqual([])
  })

  test('slices of ports that nobody has any more go', () => {
    const [before] = planSlices(service(), compileEndpoints(service(), [pod('a')]), []).write
    const plan = planSlices(service(), compileEndpoints(service(), [pod('a', { port: 9090 })]), [existing(before!, 'web-0')])
    expect(plan.write).toHaveLength(1)
    expect(plan.remove.map(slice => slice.metadata.name)).toEqual(['web-0'])
  })
})
