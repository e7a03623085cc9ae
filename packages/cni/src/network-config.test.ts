import { formatCidr, formatIp } from '@weft/ip'
import { CniError, parsePluginConfig } from '@weft/plugin'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type NetworkConfig, readNetworkConfig, unreadKeys } from './network-config.ts'

function read(more: object): NetworkConfig {
  return readNetworkConfig(parsePluginConfig(Buffer.from(JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni', ...more }))))
}

/** Number and message of the error, `0` if there is none. */
function refusal(more: object): readonly [number, string] {
  try {
    read(more)
    return [0, '']
  } catch (error) {
    return error instanceof CniError ? [error.cniCode, error.message] : [-1, String(error)]
  }
}

describe('readNetworkConfig()', () => {
  it.each([
    [{ runtimeConfig: { portMappings: [{ hostPort: 0, containerPort: 80 }] } }],
    [{ runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 65536 }] } }],
    [{ runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'icmp' }] } }],
    [{ runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 80, hostIP: 'localhost' }] } }],
    [{ runtimeConfig: { ips: ['10.0.0.300'] } }],
    [{ runtimeConfig: { mac: 'x' } }],
  ])('refuses %j with code 7 (NET-30)', (more) => {
    expect(refusal(more)[0]).toBe(7)
  })

  it('CNI-17, IPAM-8, IPAM-10 reads ranges of the runtime before those of the configuration, and addresses of an annotation after all others', () => {
    const [own, other, six] = [[{ subnet: '10.1.2.0/24' }], [{ subnet: '10.9.0.0/24' }], [{ subnet: 'fd00::/64' }]]
    const subnets = (more: object): unknown => read(more).ranges.map((set) => set.map(({ subnet }) => formatCidr(subnet)))
    expect(subnets({ ipam: { ranges: [own, six] }, runtimeConfig: { ipRanges: [other] } })).toEqual([['10.9.0.0/24'], ['fd00::/64']])
    expect([subnets({}), subnets({ ipam: {} })]).toEqual([[], []])
    expect(refusal({ runtimeConfig: { ipRanges: [[{ subnet: '10.1.2.1/24' }]] } })[0]).toBe(7)
    expect(refusal({ ipam: { type: 'host-local' } })).toEqual([2, expect.stringContaining('ipam.type is "host-local"')])
    const ips = (runtimeConfig: object): unknown => read({ runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'weft.dev/ips': '10.1.2.3, fd00::5', other: 'x' }, ...runtimeConfig } }).ips.map(formatIp)
    expect([ips({}), ips({ ips: ['10.1.2.9'] })]).toEqual([['10.1.2.3', 'fd00::5'], ['10.1.2.9']])
  })

  it('CNI-13 knows which keys nobody reads, and refuses those of ipam', () => {
    const unread = (more: object): readonly string[] => unreadKeys(parsePluginConfig(Buffer.from(JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni', ...more }))))
    const ours = { bandwidth: {}, sysctl: {}, dns: {}, ipam: {} }
    expect(unread({ ...ours, runtimeConfig: { aliases: ['a'] }, args: { cni: {} }, capabilities: {}, 'cni.dev/valid-attachments': [], prevResult: { cniVersion: '1.1.0' } })).toEqual([])
    expect(unread({ ...ours, bridge: 'cni0', ipMasq: true, macspoofchk: true })).toEqual(['bridge', 'ipMasq', 'macspoofchk'])
    expect(refusal({ ipam: { subnet: '10.1.2.0/24' } })).toEqual([2, 'Cannot use network "weft": ipam.subnet is "10.1.2.0/24", wanted nothing in ipam but ranges'])
  })

  it('reads port mappings and addresses (CNI-17)', () => {
    const config = read({
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'udp', hostIP: '0.0.0.0' }, { hostPort: 81, containerPort: 81 }], ips: ['10.1.2.3/24', 'fd00::5'], mac: '02:00:00:00:00:AA' },
    })
    expect(config).toMatchObject({
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'UDP', hostIp: undefined }, { hostPort: 81, containerPort: 81, protocol: 'TCP' }],
      ips: [{ family: 4 }, { family: 6 }], mac: '02:00:00:00:00:aa',
    })
  })

  it('reads capabilities in the spelling of containerd, which names no fields for JSON (CNI-17)', () => {
    const runtimeConfig = { portMappings: [{ HostPort: 8080, ContainerPort: 80, Protocol: 'tcp', HostIP: '127.0.0.1' }], bandwidth: { IngressRate: 1000, IngressBurst: 2000, EgressRate: 0, EgressBurst: 0 } }
    expect(read({ runtimeConfig })).toMatchObject({
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'TCP', hostIp: { family: 4 } }], bandwidth: { ingress: { bitsPerSecond: 1000, burstBits: 2000 }, egress: undefined },
    })
  })

  it('CNI-46 reads bandwidth: the configuration wins over the runtime, a rate needs a burst, a burst fits the kernel', () => {
    const bandwidth = (more: object): unknown => read(more).bandwidth
    const runtimeConfig = { bandwidth: { ingressRate: 1000, ingressBurst: 2000, egressRate: 3000, egressBurst: 4000 } }
    expect(bandwidth({ runtimeConfig })).toEqual({ ingress: { bitsPerSecond: 1000, burstBits: 2000 }, egress: { bitsPerSecond: 3000, burstBits: 4000 } })
    expect(bandwidth({ runtimeConfig, bandwidth: { egressRate: 5, egressBurst: 6 } })).toEqual({ ingress: undefined, egress: { bitsPerSecond: 5, burstBits: 6 } })
    expect(bandwidth({ runtimeConfig: { bandwidth: { ingressRate: 0, ingressBurst: 0 } } })).toBeUndefined()
    for (const wrong of [{ ingressRate: 1000 }, { egressBurst: 1000 }, { ingressRate: 1, ingressBurst: 2 ** 36 }, { ingressRate: -1, ingressBurst: 1 }])
      expect(refusal({ runtimeConfig: { bandwidth: wrong } })[0]).toBe(7)
  })

  it('CNI-17, CNI-30 takes dns of the runtime before that of the configuration, and minds no capability it has no use for', () => {
    const runtimeConfig = { dns: { servers: ['10.0.0.10'], searches: ['a.example'] }, aliases: ['x'], deviceID: '0', infinibandGUID: 'c2:11', cgroupPath: '/x' }
    expect(read({ runtimeConfig, dns: { nameservers: [] } }).dns).toEqual({ nameservers: ['10.0.0.10'], search: ['a.example'] })
    expect(read({ dns: { nameservers: [] } }).dns).toEqual({ nameservers: [] })
    expect(read({}).dns).toBeUndefined()
  })


  it('throws nothing but CniError, whatever a runtime or an administrator writes', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('10.1.2.0/24', '10.1.2.3', 'fd00::/64', 'fd00::1/64', '02:00:00:00:00:01', 'tcp', '0.0.0.0', '::'))
    const value = fc.oneof(text, fc.jsonValue(), fc.integer(), fc.double())
    const record = (...keys: readonly string[]): fc.Arbitrary<unknown> => fc.record(Object.fromEntries(keys.map((key) => [key, value])), { requiredKeys: [] })
    const range = record('subnet', 'rangeStart', 'rangeEnd', 'gateway')
    const config = fc.record({
      bandwidth: fc.oneof(value, record('ingressRate', 'ingressBurst', 'egressRate', 'egressBurst')), dns: fc.oneof(value, record('nameservers', 'search')), sysctl: fc.oneof(value, record('net.core.somaxconn')),
      ipam: fc.oneof(value, fc.record({ type: value, ranges: fc.oneof(value, fc.array(fc.array(range, { maxLength: 3 }), { maxLength: 3 })) }, { requiredKeys: [] })),
      runtimeConfig: fc.oneof(value, fc.record({
        portMappings: fc.oneof(value, fc.array(record('hostPort', 'containerPort', 'protocol', 'hostIP'))), bandwidth: fc.oneof(value, record('ingressRate', 'egressBurst')), ips: fc.oneof(value, fc.array(text)), mac: value,
        ipRanges: fc.oneof(value, fc.array(fc.array(range, { maxLength: 3 }), { maxLength: 3 })), dns: fc.oneof(value, record('servers', 'searches')), 'io.kubernetes.cri.pod-annotations': fc.oneof(value, record('weft.dev/ips')),
      }, { requiredKeys: [] })),
      args: fc.oneof(value, fc.record({ cni: fc.oneof(value, record('ips', 'mac')) })),
    }, { requiredKeys: [] })
    fc.assert(fc.property(config, (more) => {
      expect(refusal(more)[0]).toBeGreaterThanOrEqual(0)
    }), { numRuns: 3000 })
  })
})
