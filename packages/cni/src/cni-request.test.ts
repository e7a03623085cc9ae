import { formatCidr, formatIp } from '@weft/ip'
import { describe, expect, it } from 'vitest'
import { CniError } from './cni-error.ts'
import { parseRequest } from './cni-request.ts'

const full = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c1', CNI_NETNS: '/run/netns/c1', CNI_IFNAME: 'eth0', CNI_PATH: '/opt/cni/bin' }
const config = { cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' }

function parse(environment: Readonly<Record<string, string>>, stdin: unknown = config): ReturnType<typeof parseRequest> {
  return parseRequest({ environment: new Map(Object.entries(environment)), stdin: Buffer.from(typeof stdin === 'string' ? stdin : JSON.stringify(stdin)) })
}

/** Number and message of the error, `0` if there is none. */
function refusal(environment: Readonly<Record<string, string>>, stdin: unknown = config): readonly [number, string] {
  try {
    parse(environment, stdin)
    return [0, '']
  } catch (error) {
    return error instanceof CniError ? [error.cniCode, error.message] : [-1, String(error)]
  }
}

describe('parseRequest()', () => {
  it('reads a full ADD (CNI-1)', () => {
    expect(parse({ ...full, CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u-1' })).toMatchObject({
      command: 'ADD', containerId: 'c1', ifname: 'eth0', netns: '/run/netns/c1', args: { K8S_POD_NAMESPACE: 'shop', K8S_POD_NAME: 'web-0', K8S_POD_UID: 'u-1' }, config: { cniVersion: '1.1.0', name: 'weft' },
    })
  })

  it('refuses unknown commands (CNI-2)', () => {
    expect(refusal({ ...full, CNI_COMMAND: 'MOVE' })).toEqual([4, 'unknown CNI_COMMAND: MOVE'])
    expect(refusal({ ...full, CNI_COMMAND: '' })).toEqual([4, 'unknown CNI_COMMAND: '])
  })

  it.each([
    ['ADD', ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME']],
    ['CHECK', ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME']],
    ['DEL', ['CNI_CONTAINERID', 'CNI_IFNAME']],
  ])('%s names all missing variables at once (CNI-3, CNI-4)', (command, missing) => {
    expect(refusal({ CNI_COMMAND: command })).toEqual([4, `required env variables [${missing.join(',')}] missing`])
    expect(refusal({ ...full, CNI_COMMAND: command, CNI_IFNAME: '' })).toEqual([4, 'required env variables [CNI_IFNAME] missing'])
  })

  it('DEL, GC, STATUS and VERSION do with less (CNI-3)', () => {
    expect(refusal({ CNI_COMMAND: 'DEL', CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0' })[0]).toBe(0)
    for (const command of ['GC', 'STATUS']) expect(refusal({ CNI_COMMAND: command })[0]).toBe(0)
    expect(refusal({ CNI_COMMAND: 'VERSION' }, 'no JSON')[0]).toBe(0)
  })

  it.each(['-c1', '.c1', 'a/b', 'a b', 'a:b', 'ä'])('refuses container id %j (CNI-5)', (id) => {
    expect(refusal({ ...full, CNI_CONTAINERID: id })).toEqual([4, 'invalid characters in containerID'])
  })

  it.each(['.', '..', 'a/b', 'a:b', 'a b', 'a\tb', 'sixteen-letters-'])('refuses interface name %j (CNI-6)', (ifname) => {
    expect(refusal({ ...full, CNI_IFNAME: ifname })[0]).toBe(4)
  })

  it('refuses unknown CNI_ARGS unless they may be ignored (CNI-7)', () => {
    expect(refusal({ ...full, CNI_ARGS: 'FOO=1;BAR=2' })[1]).toContain('unknown args ["FOO","BAR"]')
    expect(refusal({ ...full, CNI_ARGS: 'FOO=1;IgnoreUnknown=true' })[0]).toBe(0)
    expect(refusal({ ...full, CNI_ARGS: 'FOO;IgnoreUnknown=true' })[0]).toBe(4)
  })

  it.each([
    ['{', 6], ['[]', 6], ['null', 6], ['"x"', 6],
    [{ ...config, cniVersion: '9.9.9' }, 1], [{ ...config, cniVersion: 7 }, 1],
    [{ ...config, name: undefined }, 7], [{ ...config, name: '' }, 7], [{ ...config, name: 'a/b' }, 7],
    [{ ...config, runtimeConfig: { portMappings: [{ hostPort: 0, containerPort: 80 }] } }, 7],
    [{ ...config, runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 65536 }] } }, 7],
    [{ ...config, runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'icmp' }] } }, 7],
    [{ ...config, runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 80, hostIP: 'localhost' }] } }, 7],
    [{ ...config, runtimeConfig: { ips: ['10.0.0.300'] } }, 7],
    [{ ...config, runtimeConfig: { mac: 'x' } }, 7],
    [{ ...config, prevResult: [] }, 6], [{ ...config, prevResult: { ips: [{ address: 4 }] } }, 6],
  ])('refuses configuration %j with code %i (CNI-5, CNI-10, NET-30)', (stdin, code) => {
    expect(refusal(full, stdin)[0]).toBe(code)
  })

  it('CNI-34, CNI-36 DEL minds nothing that ADD was or would be refused for, nor a prevResult it cannot read', () => {
    const del = { ...full, CNI_COMMAND: 'DEL', CNI_ARGS: 'FOO=1' }
    for (const wrong of [{ prevResult: 'torn' }, { prevResult: [] }, { runtimeConfig: { portMappings: [{ hostPort: 0 }] } }, { runtimeConfig: { mac: 'x' } }, { bandwidth: { ingressRate: 1 } }])
      expect([refusal(del, { ...config, ...wrong })[0], refusal({ ...full, CNI_COMMAND: 'ADD' }, { ...config, ...wrong })[0]]).toEqual([0, 'prevResult' in wrong ? 6 : 7])
    expect([refusal(del, '{'), refusal(del, { ...config, name: 'a/b' })].map(([code]) => code)).toEqual([6, 7])
  })

  it('CNI-17, IPAM-8, IPAM-10 reads ranges of the runtime before those of the configuration, and addresses of an annotation after all others', () => {
    const [own, other, six] = [[{ subnet: '10.1.2.0/24' }], [{ subnet: '10.9.0.0/24' }], [{ subnet: 'fd00::/64' }]]
    const subnets = (more: object): unknown => parse(full, { ...config, ...more }).config?.ranges.map((set) => set.map(({ subnet }) => formatCidr(subnet)))
    expect(subnets({ ipam: { ranges: [own, six] }, runtimeConfig: { ipRanges: [other] } })).toEqual([['10.9.0.0/24'], ['fd00::/64']])
    expect([subnets({}), subnets({ ipam: {} })]).toEqual([[], []])
    expect(refusal(full, { ...config, runtimeConfig: { ipRanges: [[{ subnet: '10.1.2.1/24' }]] } })[0]).toBe(7)
    expect(refusal(full, { ...config, ipam: { type: 'host-local' } })).toEqual([2, expect.stringContaining('ipam.type is "host-local"')])
    const ips = (runtimeConfig: object): unknown => parse(full, { ...config, runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'weft.dev/ips': '10.1.2.3, fd00::5', other: 'x' }, ...runtimeConfig } }).config?.ips.map(formatIp)
    expect([ips({}), ips({ ips: ['10.1.2.9'] })]).toEqual([['10.1.2.3', 'fd00::5'], ['10.1.2.9']])
  })

  it('CNI-40 GC tells a list that is empty from one that is not there', () => {
    const valid = (more: object): unknown => parse({ CNI_COMMAND: 'GC' }, { ...config, ...more }).config?.validAttachments
    expect([valid({ 'cni.dev/valid-attachments': [] }), valid({ 'cni.dev/valid-attachments': null }), valid({})]).toEqual([[], undefined, undefined])
  })

  it('takes a missing version for 0.1.0 and passes over keys it does not know (CNI-10, CNI-13)', () => {
    expect(parse(full, { name: 'weft', bridge: 'cni0', 'cni.dev/other': 1, runtimeConfig: { cgroupPath: '/x' }, args: { cni: {} } })).toMatchObject({ config: { cniVersion: '0.1.0' } })
  })

  it('lets verbs only in versions that have them (CNI-10)', () => {
    expect(refusal({ ...full, CNI_COMMAND: 'CHECK' }, { ...config, cniVersion: '0.3.1' })[1]).toContain('config version does not allow CHECK')
    for (const command of ['GC', 'STATUS']) expect(refusal({ CNI_COMMAND: command }, { ...config, cniVersion: '1.0.0' })[0]).toBe(1)
  })

  it('reads port mappings, addresses and attachments (CNI-17, CNI-40)', () => {
    const request = parse(full, {
      ...config,
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'udp', hostIP: '0.0.0.0' }, { hostPort: 81, containerPort: 81 }], ips: ['10.1.2.3/24', 'fd00::5'], mac: '02:00:00:00:00:AA' },
      'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }],
    })
    expect(request).toMatchObject({
      config: {
        portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'UDP', hostIp: undefined }, { hostPort: 81, containerPort: 81, protocol: 'TCP' }],
        ips: [{ family: 4 }, { family: 6 }], mac: '02:00:00:00:00:aa', validAttachments: [{ containerId: 'c1', ifname: 'eth0' }],
      },
    })
  })

  it('reads capabilities in the spelling of containerd, which names no fields for JSON (CNI-17)', () => {
    const runtimeConfig = { portMappings: [{ HostPort: 8080, ContainerPort: 80, Protocol: 'tcp', HostIP: '127.0.0.1' }], bandwidth: { IngressRate: 1000, IngressBurst: 2000, EgressRate: 0, EgressBurst: 0 } }
    expect(parse(full, { ...config, runtimeConfig }).config).toMatchObject({
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'TCP', hostIp: { family: 4 } }], bandwidth: { ingress: { bitsPerSecond: 1000, burstBits: 2000 }, egress: undefined },
    })
  })

  it('CNI-46 reads bandwidth: the configuration wins over the runtime, a rate needs a burst, a burst fits the kernel', () => {
    const bandwidth = (more: object): unknown => parse(full, { ...config, ...more }).config?.bandwidth
    const runtimeConfig = { bandwidth: { ingressRate: 1000, ingressBurst: 2000, egressRate: 3000, egressBurst: 4000 } }
    expect(bandwidth({ runtimeConfig })).toEqual({ ingress: { bitsPerSecond: 1000, burstBits: 2000 }, egress: { bitsPerSecond: 3000, burstBits: 4000 } })
    expect(bandwidth({ runtimeConfig, bandwidth: { egressRate: 5, egressBurst: 6 } })).toEqual({ ingress: undefined, egress: { bitsPerSecond: 5, burstBits: 6 } })
    expect(bandwidth({ runtimeConfig: { bandwidth: { ingressRate: 0, ingressBurst: 0 } } })).toBeUndefined()
    for (const wrong of [{ ingressRate: 1000 }, { egressBurst: 1000 }, { ingressRate: 1, ingressBurst: 2 ** 36 }, { ingressRate: -1, ingressBurst: 1 }])
      expect(refusal(full, { ...config, runtimeConfig: { bandwidth: wrong } })[0]).toBe(7)
  })

  it('CNI-17, CNI-30 takes dns of the runtime before that of the configuration, and minds no capability it has no use for', () => {
    const runtimeConfig = { dns: { servers: ['10.0.0.10'], searches: ['a.example'] }, aliases: ['x'], deviceID: '0', infinibandGUID: 'c2:11', cgroupPath: '/x' }
    expect(parse(full, { ...config, runtimeConfig, dns: { nameservers: [] } }).config?.dns).toEqual({ nameservers: ['10.0.0.10'], search: ['a.example'] })
    expect(parse(full, { ...config, dns: { nameservers: [] } }).config?.dns).toEqual({ nameservers: [] })
    expect(parse(full).config?.dns).toBeUndefined()
  })

  it.each(['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])('CNI-10, CNI-14 %s allows the verbs it has', (cniVersion) => {
    const codes = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'].map((command) => refusal({ ...full, CNI_COMMAND: command }, { ...config, cniVersion })[0])
    expect(codes).toEqual([0, 0, cniVersion >= '0.4.0' ? 0 : 1, cniVersion === '1.1.0' ? 0 : 1, cniVersion === '1.1.0' ? 0 : 1])
  })
})
