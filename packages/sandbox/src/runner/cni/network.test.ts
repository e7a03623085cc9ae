import { describe, expect, test } from 'vitest'
import { isAtLeast, parseConflist } from './conflist.ts'
import { pluginConfig, podRuntimeConfig } from './network.ts'

const conflist = { cniVersion: '1.1.0', name: 'net', plugins: [{ type: 'first', mtu: 1400, capabilities: { portMappings: true } }, { type: 'second' }] }

describe('pluginConfig()', () => {
  test('gives a plugin its own keys, the list\'s name and version, the capabilities it has and the result before it (CNI-16)', () => {
    const runtimeConfig = { portMappings: [{ hostPort: 80 }], bandwidth: {} }
    expect(pluginConfig({ conflist, plugin: conflist.plugins[0]!, runtimeConfig })).toEqual({ type: 'first', mtu: 1400, name: 'net', cniVersion: '1.1.0', runtimeConfig: { portMappings: [{ hostPort: 80 }] } })
    expect(pluginConfig({ conflist, plugin: conflist.plugins[1]!, runtimeConfig, prevResult: { ips: [] } })).toEqual({ type: 'second', name: 'net', cniVersion: '1.1.0', prevResult: { ips: [] } })
  })

  test('lists valid attachments under both names', () => {
    const config = pluginConfig({ conflist, plugin: conflist.plugins[1]!, valid: [] })
    expect(config).toMatchObject({ 'cni.dev/valid-attachments': [], 'cni.dev/attachments': [] })
  })
})

describe('parseConflist()', () => {
  test('chooses the highest version both know (CNI-14)', () => {
    const parse = (versions: object): string => parseConflist(JSON.stringify({ name: 'net', plugins: [{ type: 'a' }], ...versions }), 'test').cniVersion
    expect(parse({ cniVersion: '1.0.0', cniVersions: ['0.4.0', '1.0.0', '1.1.0', '2.0.0'] })).toBe('1.1.0')
    expect(parse({ cniVersion: '0.4.0' })).toBe('0.4.0')
    expect(() => parse({ cniVersion: '2.0.0' })).toThrow(/it needs CNI 2.0.0/)
  })

  test('refuses what cannot be used, with the file (CNI-15)', () => {
    for (const text of ['{', '[]', 'null', '{"name":"a b","plugins":[{"type":"x"}]}', '{"name":"n","plugins":[]}', '{"name":"n","plugins":[{"type":"../x"}]}', '{"name":"n","plugins":[null]}']) {
      expect(() => parseConflist(text, 'the-file')).toThrow(/Cannot use network configuration "the-file"/)
    }
  })
})

describe('isAtLeast()', () => {
  test('compares by number', () => {
    expect([isAtLeast('1.10.0', '1.9.0'), isAtLeast('1.1.0', '1.1.0'), isAtLeast('1.0.9', '1.1.0'), isAtLeast('2', '1.1.0')]).toEqual([true, true, false, true])
  })
})

describe('podRuntimeConfig()', () => {
  test('passes hostPorts, bandwidth and annotations', () => {
    const pod = { metadata: { annotations: { 'kubernetes.io/ingress-bandwidth': '10M' } }, spec: { containers: [{ ports: [{ containerPort: 80, hostPort: 8080 }, { containerPort: 81 }] }, { ports: [{ containerPort: 53, hostPort: 53, protocol: 'UDP', hostIP: '127.0.0.1' }] }] } }
    expect(podRuntimeConfig(pod)).toEqual({
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '' }, { hostPort: 53, containerPort: 53, protocol: 'udp', hostIP: '127.0.0.1' }],
      bandwidth: { ingressRate: 10_000_000, ingressBurst: 2_147_483_647 },
      'io.kubernetes.cri.pod-annotations': { 'kubernetes.io/ingress-bandwidth': '10M' },
    })
    expect(podRuntimeConfig({ metadata: {}, spec: { containers: [{}] } })).toEqual({})
  })
})
