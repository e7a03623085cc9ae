import { spawn } from 'node:child_process'
import { realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { formatCidr, formatIp, parseCidr, parseIp } from '@weft/ip'
import { readSysctls, writeSysctls } from '@weft/netlink'
import { hasPrograms, sendPacket, TestNamespace, trackDescriptors, whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createNode, deleteRoutes, eventually, hostLinks, nodeAddresses, type NodeFixture } from '../test/node-fixture.ts'
import { programs } from '@weft/plugin/testing'
import { pour, sink } from '../test/talk.ts'
import { linkIdentity } from './link-name.ts'

const reason = whyNoKernelTests()
const noNft = reason ?? whyNoPrograms('nft')

interface Result {
  readonly interfaces: readonly { readonly name: string, readonly mac: string, readonly sandbox?: string, readonly mtu?: number }[]
  readonly ips: readonly { readonly address: string, readonly gateway: string, readonly interface: number }[]
  readonly routes: readonly unknown[]
}

function resultOf(stdout: string): Result {
  const result: Result = JSON.parse(stdout)
  return result
}

/** For `JSON.stringify`. */
function bigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}

function errorOf(stdout: string): { readonly code: number, readonly msg: string } {
  const error: { readonly code: number, readonly msg: string } = JSON.parse(stdout)
  return error
}

// shim.kernel.test.ts shows that shim and twin are the same to the agent; here the first that can be had does.
const [[, program]] = await programs()

describe.skipIf(reason !== undefined)(skippable('createCni()', reason), () => {
  let node: NodeFixture
  let pods: TestNamespace[]
  let leftOpen: () => string[]

  beforeEach(async () => {
    leftOpen = await trackDescriptors()
    node = await createNode(program, { addTimeout: '1500ms' })
    await node.start()
    pods = []
  })
  afterEach(async () => {
    for (const pod of pods) await pod[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
    // oxlint-disable-next-line vitest/no-standalone-expect -- the leak check belongs to every test
    await expect.poll(leftOpen).toEqual([])
  })

  async function pod(): Promise<TestNamespace> {
    const namespace = await TestNamespace.create()
    pods.push(namespace)
    return namespace
  }

  async function add(containerId: string, options: { readonly config?: Readonly<Record<string, unknown>>, readonly args?: string } = {}): Promise<{ readonly namespace: TestNamespace, readonly result: Result }> {
    const namespace = await pod()
    const { exitCode, stdout } = await node.call('ADD', { containerId, netns: namespace.path, ...options })
    expect([exitCode, exitCode === 0 ? '' : stdout]).toEqual([0, ''])
    return { namespace, result: resultOf(stdout) }
  }

  async function ping(from: TestNamespace, to: string): Promise<void> {
    expect([to, await from.echoes(to)]).toEqual([to, true])
  }

  it('ADD wires a pod that reaches the node and other pods, and they it (CNI-20, CNI-24, CNI-29, CNI-31, CNI-32, P1)', async () => {
    const a = await add('a')
    const b = await add('b')
    const identity = linkIdentity('a', 'eth0')
    expect(a.result).toEqual({
      cniVersion: '1.1.0',
      interfaces: [{ name: identity.hostIfname, mac: identity.hostMac, mtu: 1450 }, { name: 'eth0', mac: identity.podMac, mtu: 1450, sandbox: a.namespace.path }],
      ips: [{ address: '10.244.1.2/32', gateway: '169.254.1.1', interface: 1 }, { address: 'fd00:10:244:1::2/128', gateway: 'fe80::1', interface: 1 }],
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }, { dst: '::/0', gw: 'fe80::1' }],
      dns: {},
    })
    for (const [from, to] of [[a.namespace, '10.244.1.3'], [a.namespace, 'fd00:10:244:1::3'], [b.namespace, '10.244.1.2'], [node.namespace, '10.244.1.2'], [node.namespace, 'fd00:10:244:1::3'], [a.namespace, '172.30.1.11'], [b.namespace, 'fd00:172:30:1::11'], [a.namespace, '127.0.0.1'], [a.namespace, '10.244.1.2']] as const) await ping(from, to)
    expect(node.covered).toEqual(['+ a 10.244.1.2 fd00:10:244:1::2', '+ b 10.244.1.3 fd00:10:244:1::3'])
    expect(node.cni.attachments().map(({ namespace, name, uid, hostIfname }) => [namespace, name, uid, hostIfname])).toContainEqual(['default', 'a', 'u-a', identity.hostIfname])
    const [route] = node.namespace.route.routes({ family: 4, protocol: 87 }).filter(({ destination }) => formatCidr(destination) === '10.244.1.2/32')
    expect(route).toMatchObject({ ifIndex: node.namespace.route.link(identity.hostIfname).index, scope: 'link', source: nodeAddresses[4], via: undefined })
    if (hasPrograms('ip')) expect(node.namespace.exec('ip', ['-4', 'route', 'show', '10.244.1.2']).trim()).toBe(`10.244.1.2 dev ${identity.hostIfname} proto 87 scope link src ${formatIp(nodeAddresses[4])}`)
  })

  it('ADD makes no link and is not answered before the filter is in the kernel (P4, NP-17)', async () => {
    const filter = Promise.withResolvers<void>()
    node.hold = () => filter.promise
    let answered = false
    const added = add('a').finally(() => { answered = true })
    try {
      await eventually('addresses are taken', () => node.addresses.attachments().length === 1)
      await realClock.sleep(50)
      expect([answered, hostLinks(node.namespace)]).toEqual([false, []])
    } finally {
      filter.resolve()
    }
    await ping((await added).namespace, formatIp(nodeAddresses[4]))
  })

  it('DEL takes everything away, twice or of unknown containers too (CNI-34, CNI-35, fault 15)', async () => {
    const { namespace } = await add('a')
    for (const containerId of ['a', 'a', 'never-seen']) expect(await node.call('DEL', { containerId, netns: namespace.path })).toMatchObject({ exitCode: 0, stdout: '' })
    await eventually('link and address go', () => hostLinks(node.namespace).length === 0 && node.addresses.attachments().length === 0)
    expect(node.namespace.route.routes({ protocol: 87 })).toEqual([])
    expect(node.covered).toEqual(['+ a 10.244.1.2 fd00:10:244:1::2', '- a 10.244.1.2 fd00:10:244:1::2'])
    expect(namespace.route.findLink('eth0')).toBeUndefined()
    // The freed address is not the next one given (IPAM-3).
    expect((await add('b')).result.ips[0]!.address).toBe('10.244.1.3/32')
  })

  it('DEL succeeds without a namespace, and when it is gone already (CNI-34, fault 17)', async () => {
    await add('a')
    await add('b')
    await pods.shift()![Symbol.asyncDispose]()
    expect((await node.call('DEL', { containerId: 'a' })).exitCode).toBe(0)
    expect((await node.call('DEL', { containerId: 'b', netns: '/nowhere' })).exitCode).toBe(0)
    await eventually('both go', () => hostLinks(node.namespace).length === 0 && node.addresses.attachments().length === 0)
  })

  it('ADD fails for a second time, for an interface that is there and without a namespace (CNI-12, CNI-21, IPAM-5)', async () => {
    const { namespace } = await add('a')
    const errors: unknown[] = []
    const other = await pod()
    TestNamespace.connect(other, { name: 'eth0' }, other, { name: 'x' })
    for (const [containerId, netns] of [['a', namespace.path], ['b', namespace.path], ['c', other.path], ['d', '/nowhere'], ['e', '/etc/passwd'], ['f', node.namespace.path]] as const) {
      const { exitCode, stdout } = await node.call('ADD', { containerId, netns })
      expect(exitCode).toBe(1)
      errors.push(errorOf(stdout).code)
    }
    expect(errors).toEqual([104, 100, 100, 101, 101, 101])
    await eventually('roll-back', () => node.addresses.attachments().length === 1)
    expect(hostLinks(node.namespace)).toEqual([linkIdentity('a', 'eth0').hostIfname])
    await ping(namespace, '172.30.1.11')
  })

  it('ADD undoes everything when policy refuses, and can be repeated (CNI-23, P4)', async () => {
    node.hold = () => Promise.reject(new Error('no policy yet'))
    const namespace = await pod()
    const { exitCode, stdout } = await node.call('ADD', { containerId: 'a', netns: namespace.path })
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([1, { msg: 'no policy yet' }])
    await eventually('roll-back', () => hostLinks(node.namespace).length === 0 && node.addresses.attachments().length === 0)
    expect(namespace.route.findLink('eth0')).toBeUndefined()
    node.hold = () => Promise.resolve()
    expect((await node.call('ADD', { containerId: 'a', netns: namespace.path })).exitCode).toBe(0)
  })

  it('ADD gives up at its deadline with code 11, and undoes', async () => {
    node.hold = () => new Promise(() => undefined)
    const { exitCode, stdout, ms } = await node.call('ADD', { containerId: 'a', netns: (await pod()).path })
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([1, { code: 11 }])
    expect(ms).toBeGreaterThan(1400)
    await eventually('roll-back', () => hostLinks(node.namespace).length === 0 && node.addresses.attachments().length === 0)
  })

  it('CHECK passes after ADD and names what is missing (CNI-37, CNI-38)', async () => {
    const { namespace, result } = await add('a')
    const check = async (): Promise<string> => {
      const { exitCode, stdout } = await node.call('CHECK', { containerId: 'a', netns: namespace.path, config: { prevResult: result } })
      return exitCode === 0 ? stdout : errorOf(stdout).msg
    }
    expect(await check()).toBe('')
    namespace.route.deleteRoute({ destination: parseCidr('0.0.0.0/0') })
    expect(await check()).toContain('IPv4 default route over eth0 is missing')
    namespace.route.deleteAddress({ ifIndex: namespace.route.link('eth0').index, address: parseIp('fd00:10:244:1::2'), prefix: 128 })
    expect(await check()).toContain('address fd00:10:244:1::2 is missing on eth0')
    deleteRoutes(node.namespace, { family: 4, protocol: 87 })
    expect(await check()).toContain('route to 10.244.1.2 over')
    await node.call('DEL', { containerId: 'a', netns: namespace.path })
    expect(await check()).toContain('it is unknown on this node')
  })

  it('ADD and CHECK speak every version, and CNI_ARGS and runtimeConfig choose addresses (CNI-25, CNI-27, IPAM-8)', async () => {
    const { result } = await add('a', { config: { cniVersion: '0.2.0' } })
    expect(result).toMatchObject({ cniVersion: '0.2.0', ip4: { ip: '10.244.1.2/32' } })
    const { result: asked } = await add('b', { args: 'IgnoreUnknown=1;IP=10.244.1.77,fd00:10:244:1::77;MAC=02:11:22:33:44:55' })
    expect([asked.ips.map(({ address }) => address), asked.interfaces[1]!.mac]).toEqual([['10.244.1.77/32', 'fd00:10:244:1::77/128'], '02:11:22:33:44:55'])
    await ping(node.namespace, '10.244.1.77')
    const { exitCode, stdout } = await node.call('ADD', { containerId: 'c', netns: (await pod()).path, config: { runtimeConfig: { ips: ['10.244.1.77/24'] } } })
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([1, { code: 104 }])
  })

  it('CNI-13 what of a network nobody reads is told once, and no reason to refuse it', async () => {
    const told = (): readonly unknown[] => node.lines.filter(({ message }) => message.startsWith('keys of a network')).map(({ fields }) => fields)
    await add('a', { config: { bridge: 'cni0', ipMasq: true } })
    await add('b', { config: { bridge: 'cni0', ipMasq: true } })
    expect(told()).toMatchObject([{ network: 'weft', keys: ['bridge', 'ipMasq'] }])
    await add('c')
    expect(told()).toHaveLength(1)
  })

  it('ADD with a K8S_POD_UID that is none is refused and reserves nothing; without one the runtime does not tell', async () => {
    const { exitCode, stdout } = await node.call('ADD', { containerId: 'a', netns: (await pod()).path, args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=a;K8S_POD_UID=u a' })
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([1, { code: 4, msg: expect.stringContaining('K8S_POD_UID') as string }])
    expect(node.cni.attachments()).toEqual([])
    await add('b', { args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=b;K8S_POD_UID=' })
    expect(node.cni.attachments().map(({ name, uid }) => [name, uid])).toEqual([['b', undefined]])
  })

  it('CNI-17, CNI-33, IPAM-8, IPAM-10 capabilities ipRanges, ips, mac and dns and an annotation decide what a pod gets, in the order asked for', async () => {
    const ranges = await add('r', { config: { runtimeConfig: { ipRanges: [[{ subnet: 'fd00:9::/64' }], [{ subnet: '192.0.2.0/24', rangeStart: '192.0.2.50' }]], dns: { servers: ['10.0.0.10'], searches: ['a.example'], options: ['ndots:5'] }, mac: '02:00:00:00:00:77', aliases: ['web'] } } })
    expect(ranges.result).toMatchObject({
      ips: [{ address: 'fd00:9::2/128', interface: 1 }, { address: '192.0.2.50/32', interface: 1 }], dns: { nameservers: ['10.0.0.10'], search: ['a.example'], options: ['ndots:5'] },
      interfaces: [{}, { name: 'eth0', mac: '02:00:00:00:00:77' }],
    })
    const asked = await add('n', { config: { runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'weft.dev/ips': '10.244.1.99' } } } })
    expect(asked.result.ips.map(({ address }) => address)).toEqual(['10.244.1.99/32', 'fd00:10:244:1::2/128'])
    for (const to of ['192.0.2.50', 'fd00:9::2']) await ping(asked.namespace, to)
    await ping(ranges.namespace, '10.244.1.99')
    const { exitCode, stdout } = await node.call('ADD', { containerId: 'twice', netns: (await pod()).path, config: { runtimeConfig: { ipRanges: [[{ subnet: '10.244.1.0/24' }]], ips: ['10.244.1.99'] } } })
    expect([exitCode, errorOf(stdout).code]).toEqual([1, 104])
  })

  it.skipIf(noNft !== undefined)(skippable('NET-5 a packet of SCTP reaches another pod, and the pod from the node', noNft), async () => {
    const [a, b] = [await add('a'), await add('b')]
    b.namespace.exec('nft', ['add table inet watch; add chain inet watch in { type filter hook input priority 0; }; add rule inet watch in meta l4proto sctp th dport 8082 counter'])
    // An INIT's first words: ports, no tag, no checksum. Nobody has to understand it.
    const payload = Uint8Array.of(0x13, 0x88, 0x1f, 0x92, 0, 0, 0, 0, 0, 0, 0, 0)
    for (const to of ['10.244.1.3', 'fd00:10:244:1::3']) for (const from of [a.namespace, node.namespace]) expect(await sendPacket(from.path, to, { protocol: 132, payload })).toBe(true)
    await eventually('all four arrive', () => b.namespace.exec('nft', ['list', 'chain', 'inet', 'watch', 'in']).includes('counter packets 4 '))
  })

  it('CNI-37 sysctls of the network are set in the pod if the list allows, CHECK sees them, and others are refused', async () => {
    const config = { sysctl: { 'net.core.somaxconn': '777', 'net.ipv4.ip_local_port_range': '10000 20000' } }
    const { namespace, result } = await add('a', { config })
    expect(await readSysctls(namespace.path, Object.keys(config.sysctl))).toEqual({ 'net.core.somaxconn': '777', 'net.ipv4.ip_local_port_range': '10000\t20000' })
    const check = async (): Promise<string> => (await node.call('CHECK', { containerId: 'a', netns: namespace.path, config: { ...config, prevResult: result } })).stdout
    expect(await check()).toBe('')
    await writeSysctls(namespace.path, { 'net.core.somaxconn': '778' })
    expect(errorOf(await check()).msg).toContain('sysctl net.core.somaxconn is "778", wanted "777"')
    for (const sysctl of [{ 'net.ipv4.ip_forward': '1' }, { 'kernel.core_pattern': '|/x' }, { 'net.core.somaxconn/../../../kernel/core_pattern': 'x' }]) {
      const { exitCode, stdout } = await node.call('ADD', { containerId: 'b', netns: (await pod()).path, config: { sysctl } })
      expect([exitCode, errorOf(stdout).code]).toEqual([1, 2])
    }
    const { stdout } = await node.call('ADD', { containerId: 'c', netns: (await pod()).path, config: { sysctl: { 'net.core.somaxconn': 'many' } } })
    expect(errorOf(stdout).code).toBe(105)
    await eventually('roll-back', () => hostLinks(node.namespace).length === 1 && node.addresses.attachments().length === 1)
  })

  it('ADD of 16 pods at once gives each its own address (CNI-11)', async () => {
    const added = await Promise.all(Array.from({ length: 16 }, (_unused, index) => add(`c${index}`)))
    expect(new Set(added.map(({ result }) => result.ips[0]!.address)).size).toBe(16)
    for (const { namespace } of added) await ping(namespace, '172.30.1.11')
    await Promise.all(added.map((_unused, index) => node.call('DEL', { containerId: `c${index}` })))
    await eventually('all go', () => hostLinks(node.namespace).length === 0 && node.addresses.attachments().length === 0)
  })

  it('an address is given to the next pod only when link and filter of the last are gone, 100 times in a row (C4)', async () => {
    node.addresses.setRanges([parseCidr('10.244.7.0/30')])
    const left: string[] = []
    node.hold = async () => {
      left.push(...hostLinks(node.namespace))
    }
    const [even, odd] = [await pod(), await pod()]
    for (let round = 0; round < 100; round += 1) {
      const { path } = round % 2 === 0 ? even : odd
      // The only address is still the last pod's for a moment: code 11, and the runtime tries again.
      await expect.poll(async () => (await node.call('ADD', { containerId: `c${round}`, netns: path })).exitCode, { interval: 5, timeout: 10_000 }).toBe(0)
      expect((await node.call('DEL', { containerId: `c${round}`, netns: path })).exitCode).toBe(0)
    }
    await eventually('the last goes', () => node.addresses.attachments().length === 0)
    expect(left).toEqual([])
    expect(node.covered).toEqual(Array.from({ length: 100 }, (_unused, round) => [`+ c${round} 10.244.7.2`, `- c${round} 10.244.7.2`]).flat())
  }, 120_000)

  it('ADD and DEL of one container at once run one after the other (fault 16)', async () => {
    const namespace = await pod()
    for (let round = 0; round < 4; round += 1) {
      const results = await Promise.all([node.call('ADD', { containerId: 'a', netns: namespace.path }), node.call('DEL', { containerId: 'a', netns: namespace.path })])
      expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0])
      await node.call('DEL', { containerId: 'a', netns: namespace.path })
    }
    await eventually('it goes', () => hostLinks(node.namespace).length === 0 && node.addresses.attachments().length === 0)
  })

  it('NET-19 a new agent adopts pods without touching them, carries out the spool first and removes links of nobody (P5, P6)', async () => {
    const a = await add('a', { config: { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } } })
    const b = await add('b')
    const { hostIfname } = linkIdentity('a', 'eth0')
    // A rule or a link that was made anew would have another number.
    const kernel = (): unknown => [node.namespace.route.link(hostIfname).index, node.namespace.route.routes({ protocol: 87 }).filter(({ ifIndex }) => ifIndex === node.namespace.route.link(hostIfname).index), hasPrograms('nft') ? node.namespace.exec('nft', ['-a', 'list', 'table', 'inet', 'weft-cni']).replaceAll(/packets \d+ bytes \d+/g, '') : '']
    const before = kernel()
    await node.stop()
    await ping(a.namespace, '10.244.1.3')
    expect((await node.call('DEL', { containerId: 'b', netns: b.namespace.path })).exitCode).toBe(0)
    node.namespace.route.addLink({ kind: 'veth', name: 'weft0123456789a', peer: { name: 'weftother' } })
    await node.start()
    expect(node.cni.attachments().map(({ name }) => name)).toEqual(['a'])
    expect(kernel()).toEqual(before)
    await eventually('spooled and foreign links go', () => hostLinks(node.namespace).length === 1)
    expect((await node.call('CHECK', { containerId: 'a', netns: a.namespace.path, config: { prevResult: a.result } })).exitCode).toBe(0)
    expect((await node.call('ADD', { containerId: 'b', netns: b.namespace.path })).exitCode).toBe(0)
  })

  it('CNI-46 capability bandwidth limits what a pod receives and sends, CHECK sees that it does, upkeep puts it back', async () => {
    const config = { runtimeConfig: { bandwidth: { ingressRate: 8_000_000, ingressBurst: 400_000, egressRate: 8_000_000, egressBurst: 400_000 } } }
    const limited = await add('limited', { config })
    const free = await add('free')
    const ends = (name: string, { namespace }: { readonly namespace: TestNamespace }): unknown => [namespace.route.link('eth0').qdisc, node.namespace.route.link(linkIdentity(name, 'eth0').hostIfname).qdisc]
    expect([ends('limited', limited), ends('free', free)]).toEqual([['tbf', 'tbf'], ['noqueue', 'noqueue']])
    using _server = await sink(limited.namespace, 7000)
    using _free = await sink(free.namespace, 7000)
    // A megabyte at 8 Mbit/s takes a second; a busy machine only makes it longer.
    expect(pour(node.namespace, '10.244.1.2', 7000, 1_000_000)).toBeGreaterThan(800)
    expect(pour(limited.namespace, '10.244.1.3', 7000, 1_000_000)).toBeGreaterThan(800)
    const check = async (): Promise<string> => (await node.call('CHECK', { containerId: 'limited', netns: limited.namespace.path, config: { ...config, prevResult: limited.result } })).stdout
    expect(await check()).toBe('')
    const hostIndex = (): number => node.namespace.route.link(linkIdentity('limited', 'eth0').hostIfname).index
    const bucket = (): unknown => node.namespace.route.tokenBuckets().find(({ ifIndex }) => ifIndex === hostIndex())
    const before = bucket()
    expect(before).toEqual({ ifIndex: hostIndex(), bytesPerSecond: 1_000_000n, burstBytes: expect.closeTo(50_000, -2) as unknown })
    // Somebody gives it more, somebody else takes it away: both are put back.
    for (const change of [['replace', 'dev', linkIdentity('limited', 'eth0').hostIfname, 'root', 'tbf', 'rate', '900mbit', 'burst', '50kb', 'latency', '20ms'], ['del', 'dev', linkIdentity('limited', 'eth0').hostIfname, 'root']]) {
      node.namespace.exec('tc', ['qdisc', ...change])
      expect(errorOf(await check()).msg).toContain(`limit of bandwidth is ${change[0] === 'del' ? 'missing' : 'another'} on weft`)
      node.cni.recheck()
      await eventually('the limit is put back', () => JSON.stringify(bucket(), bigints) === JSON.stringify(before, bigints))
    }
    expect(await check()).toBe('')
    limited.namespace.exec('tc', ['qdisc', 'del', 'dev', 'eth0', 'root'])
    expect(errorOf(await check()).msg).toContain('limit of bandwidth is missing on eth0')
    const { stdout } = await node.call('ADD', { containerId: 'wrong', netns: (await pod()).path, config: { runtimeConfig: { bandwidth: { ingressRate: 1000 } } } })
    expect(errorOf(stdout)).toMatchObject({ code: 7 })
  })

  it('GC releases what the runtime no longer knows, of its own network only (CNI-40, fault 18)', async () => {
    await add('keep')
    await add('stale')
    await add('other', { config: { name: 'second' } })
    expect((await node.call('GC', { containerId: 'x', config: { 'cni.dev/valid-attachments': [{ containerID: 'keep', ifname: 'eth0' }] } })).exitCode).toBe(0)
    await eventually('stale goes', () => hostLinks(node.namespace).length === 2)
    expect(node.cni.attachments().map(({ containerId }) => containerId)).toEqual(['keep', 'other'])
    for (const unsaid of [{}, { 'cni.dev/valid-attachments': null }]) {
      expect((await node.call('GC', { containerId: 'x', config: unsaid })).exitCode).toBe(0)
      expect(node.cni.attachments()).toHaveLength(2)
    }
    expect((await node.call('GC', { containerId: 'x', config: { 'cni.dev/valid-attachments': [] } })).exitCode).toBe(0)
    await eventually('keep goes', () => node.cni.attachments().length === 1)
  })

  it('CNI-9, CNI-39 STATUS is 50 while pods cannot be attached, 51 while those that are there suffer too', async () => {
    const status = async (): Promise<string> => (await node.call('STATUS', { containerId: 'x' })).stdout
    expect(await status()).toBe('')
    node.addresses.setRanges([])
    expect(errorOf(await status())).toMatchObject({ code: 50, msg: 'Cannot attach pods: this node has no address range yet' })
    node.addresses.setRanges([parseCidr('10.244.1.0/24')])
    // A table of this name that another process owns: no kernel lets us mend it.
    node.namespace.exec('nft', ['delete', 'table', 'inet', 'weft-cni'])
    const owner = spawn('nsenter', [`--net=${node.namespace.path}`, 'nft', '-i'], { stdio: ['pipe', 'ignore', 'ignore'] })
    try {
      owner.stdin.write('add table inet weft-cni { flags owner; }\n')
      await eventually('the table is somebody else\'s', () => node.namespace.exec('nft', ['list', 'tables']).includes('weft-cni'))
      node.cni.recheck()
      await expect.poll(async () => errorOf(await status() || '{}').code).toBe(51)
    } finally {
      const gone = new Promise((resolve) => owner.once('close', resolve))
      owner.kill('SIGKILL')
      await gone
    }
    node.cni.recheck()
    await expect.poll(status).toBe('')
  })
})
