import { realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { formatIp, parseCidr, parseIp } from '@weft/ip'
import { ensureDone, requests } from '@weft/netlink'
import { TestNamespace, whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { baseChain, countIn, diffTable, eq, icmp, icmpv6, namedCounter, NftSocket, rule, table, Transaction } from '@weft/nftables'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createNode, deleteRoutes, eventually, hostLinks, type NodeFixture } from '../test/node-fixture.ts'
import { programs } from '@weft/plugin/testing'
import { ask, serve } from '../test/talk.ts'
import { existsSync, readFileSync } from 'node:fs'

const [[, program]] = await programs()
const noNft = whyNoPrograms('nft')
const noModules = whyNoPrograms('nft') ?? (existsSync('/proc/modules') ? undefined : 'the kernel loads no modules')

const reason = whyNoKernelTests()

describe.skipIf(reason !== undefined)(skippable('table weft-cni', reason), () => {
  let node: NodeFixture
  let outside: TestNamespace
  const pods: TestNamespace[] = []

  beforeAll(async () => {
    node = await createNode(program)
    outside = await TestNamespace.create()
    TestNamespace.connect(node.namespace, { name: 'up0', addresses: [{ address: parseIp('192.0.2.1'), prefix: 24 }, { address: parseIp('2001:db8::1'), prefix: 64 }] },
      outside, { name: 'eth0', addresses: [{ address: parseIp('192.0.2.9'), prefix: 24 }, { address: parseIp('2001:db8::9'), prefix: 64 }] })
    const ifIndex = outside.route.link('eth0').index
    ensureDone(outside.route.transact([
      requests.addRoute({ destination: parseCidr('0.0.0.0/0'), via: parseIp('192.0.2.1'), ifIndex }),
      requests.addRoute({ destination: parseCidr('::/0'), via: parseIp('2001:db8::1'), ifIndex }),
    ]))
    await node.start()
  })
  afterAll(async () => {
    for (const pod of pods) await pod[Symbol.asyncDispose]()
    await outside[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
  })

  async function add(containerId: string, portMappings: readonly unknown[] = []): Promise<TestNamespace> {
    const pod = await TestNamespace.create()
    pods.push(pod)
    const { exitCode, stdout } = await node.call('ADD', { containerId, netns: pod.path, config: { runtimeConfig: { portMappings } } })
    expect([exitCode, exitCode === 0 ? '' : stdout]).toEqual([0, ''])
    return pod
  }

  it('host ports lead to the pod in both families, from outside, the node, other pods and itself (NET-22, NET-27, NET-28, NET-33)', async () => {
    const web = await add('web', [{ hostPort: 8080, containerPort: 80 }, { hostPort: 5353, containerPort: 53, protocol: 'udp' }])
    const other = await add('other')
    using _tcp = await serve(web, 'tcp', 80)
    using _udp = await serve(web, 'udp', 53)
    expect(ask(outside, 'tcp', '192.0.2.1', 8080)).toBe('192.0.2.9')
    expect(ask(outside, 'tcp', '2001:db8::1', 8080)).toBe('2001:db8::9')
    expect(ask(outside, 'udp', '192.0.2.1', 5353)).toBe('192.0.2.9')
    expect(ask(outside, 'udp', '2001:db8::1', 5353)).toBe('2001:db8::9')
    expect(ask(node.namespace, 'tcp', '172.30.1.11', 8080)).toBe('172.30.1.11')
    expect(ask(other, 'tcp', '172.30.1.11', 8080)).toBe('10.244.1.3')
    // Itself: another source than its own address, or it would answer to itself.
    expect(ask(web, 'tcp', '172.30.1.11', 8080)).toBe('172.30.1.11')
    expect(ask(web, 'tcp', 'fd00:172:30:1::11', 8080)).toBe('fd00:172:30:1::11')
    // Not for addresses that are not the node's (CVE-2025-67499).
    expect(ask(outside, 'tcp', '10.244.1.3', 8080)).toBe('ECONNREFUSED')
    await node.call('DEL', { containerId: 'web', netns: web.path })
    expect(ask(outside, 'tcp', '192.0.2.1', 8080)).toBe('ECONNREFUSED')
    await node.call('DEL', { containerId: 'other', netns: other.path })
    await eventually('links go', () => hostLinks(node.namespace).length === 0)
  })

  it('NET-24, NET-29, IPAM-16 host ports with addresses of their own do not meet, equal ones are refused, UDP goes to the next pod that has the port', async () => {
    const one = await add('one', [{ hostPort: 54323, containerPort: 8080, hostIP: '172.30.1.11' }])
    const two = await add('two', [{ hostPort: 54323, containerPort: 8080, hostIP: '192.0.2.1' }])
    const three = await add('three', [{ hostPort: 54323, containerPort: 8080, hostIP: '172.30.1.11', protocol: 'UDP' }])
    using _one = await serve(one, 'tcp', 8080)
    using _three = await serve(three, 'udp', 8080)
    expect(ask(outside, 'tcp', '172.30.1.11', 54323)).toBe('192.0.2.9')
    expect(ask(outside, 'tcp', '192.0.2.1', 54323)).toBe('ECONNREFUSED')
    expect(ask(outside, 'udp', '172.30.1.11', 54323)).toBe('192.0.2.9')
    const { stdout } = await node.call('ADD', { containerId: 'four', netns: (pods.push(await TestNamespace.create()), pods.at(-1)!.path), config: { runtimeConfig: { portMappings: [{ hostPort: 54323, containerPort: 1, hostIP: '192.0.2.1' }] } } })
    expect(JSON.parse(stdout)).toMatchObject({ code: 7, msg: 'Cannot serve host port "TCP 192.0.2.1:54323": container two/eth0 has it, wanted a free one' })
    // UDP that was pinned to the first pod goes to the next that has the port (NET-29).
    await node.call('DEL', { containerId: 'three', netns: three.path })
    const next = await add('next', [{ hostPort: 54323, containerPort: 8080, hostIP: '172.30.1.11', protocol: 'UDP' }])
    using _next = await serve(next, 'udp', 8080)
    expect(ask(outside, 'udp', '172.30.1.11', 54323)).toBe('192.0.2.9')
    for (const [containerId, pod] of [['one', one], ['two', two], ['next', next]] as const) await node.call('DEL', { containerId, netns: pod.path })
    await eventually('links go', () => hostLinks(node.namespace).length === 0)
  })

  it('NET-24, NET-25, NET-31 host ports on 127.0.0.1 and ::1 are served to the node alone, beside equal ports of other addresses', async () => {
    const mappings = [
      ['here', [{ hostPort: 54323, containerPort: 8080, hostIP: '127.0.0.1' }, { hostPort: 54323, containerPort: 8080, hostIP: '::1' }, { hostPort: 54324, containerPort: 8080, hostIP: '127.0.0.1', protocol: 'UDP' }, { hostPort: 54324, containerPort: 8080, hostIP: '::1', protocol: 'UDP' }]],
      ['node', [{ hostPort: 54323, containerPort: 8080, hostIP: '172.30.1.11' }]],
      ['udp', [{ hostPort: 54323, containerPort: 8080, hostIP: '172.30.1.11', protocol: 'UDP' }]],
      ['all', [{ hostPort: 8081, containerPort: 8080 }]],
    ] as const
    const added = await Promise.all(mappings.map(async ([id, list]) => [id, await add(id, list)] as const))
    const byId = Object.fromEntries(added)
    using _here = await serve(byId['here']!, 'tcp', 8080, 'here')
    using _hereUdp = await serve(byId['here']!, 'udp', 8080, 'here')
    using _node = await serve(byId['node']!, 'tcp', 8080, 'node')
    using _udp = await serve(byId['udp']!, 'udp', 8080, 'udp')
    using _all = await serve(byId['all']!, 'tcp', 8080, 'all')
    const own = { 4: '172.30.1.11', 6: 'fd00:172:30:1::11' }
    expect(ask(node.namespace, 'tcp', '127.0.0.1', 54_323)).toBe(`here ${own[4]}`)
    expect(ask(node.namespace, 'tcp', '127.0.0.1', 54_323, own[4])).toBe(`here ${own[4]}`)
    expect(ask(node.namespace, 'tcp', '::1', 54_323)).toBe(`here ${own[6]}`)
    expect(ask(node.namespace, 'udp', '127.0.0.1', 54_324)).toBe(`here ${own[4]}`)
    expect(ask(node.namespace, 'udp', '::1', 54_324)).toBe(`here ${own[6]}`)
    expect(ask(node.namespace, 'tcp', own[4], 54_323)).toBe(`node ${own[4]}`)
    expect(ask(node.namespace, 'udp', own[4], 54_323)).toBe(`udp ${own[4]}`)
    // Every address of the node is the loopback address too.
    expect(ask(node.namespace, 'tcp', '127.0.0.1', 8081)).toBe(`all ${own[4]}`)
    expect(ask(node.namespace, 'tcp', '::1', 8081)).toBe(`all ${own[6]}`)
    // A neighbour gets nothing of it, and the setting that would give it to him stays off (CVE-2020-8558).
    expect(ask(outside, 'tcp', '192.0.2.1', 54_323)).toBe('ECONNREFUSED')
    expect(node.namespace.exec('sh', ['-c', 'cat /proc/sys/net/ipv4/conf/*/route_localnet']).trim().split('\n')).not.toContain('1')
    // What listens there itself, on another port, is reached as ever.
    using _local = await serve(node.namespace, 'tcp', 9000, 'local')
    expect(ask(node.namespace, 'tcp', '127.0.0.1', 9000)).toBe('local 127.0.0.1')
    for (const [containerId, pod] of added) await node.call('DEL', { containerId, netns: pod.path })
    expect(ask(node.namespace, 'tcp', '127.0.0.1', 54_323)).toBe('ECONNREFUSED')
    await eventually('links go', () => hostLinks(node.namespace).length === 0)
  })

  it.skipIf(noModules !== undefined)(skippable('NET-26 a host port of SCTP makes the kernel load nothing', noModules), async () => {
    const loaded = (): readonly string[] => readFileSync('/proc/modules', 'utf8').split('\n').map((line) => line.split(' ', 1)[0]!).filter((name) => name.includes('sctp'))
    const before = loaded()
    await add('sctp', [{ hostPort: 5060, containerPort: 5060, protocol: 'sctp' }])
    expect(node.namespace.exec('nft', ['list', 'map', 'inet', 'weft-cni', 'hostport4'])).toContain('5060')
    expect(loaded()).toEqual(before)
    await node.call('DEL', { containerId: 'sctp' })
    await eventually('its link goes', () => hostLinks(node.namespace).length === 0)
  })

  it('a pod sends from its own addresses only, and nothing link-local', async () => {
    const honest = await add('honest')
    const forger = await add('forger')
    using _server = await serve(honest, 'udp', 9)
    const ifIndex = forger.route.link('eth0').index
    const [own4, own6] = ([4, 6] as const).map((family) => formatIp(forger.route.addresses({ ifIndex, family }).find(({ scope }) => scope === 'global')!.address))
    // Counts what antispoof lets pass.
    const watcher = table({
      name: 'watcher', counters: [namedCounter('passed')],
      chains: [baseChain('after', { type: 'filter', hook: 'prerouting', priority: -299 }, [
        rule(eq(icmp.type, 'echo-request'), countIn('passed')), rule(eq(icmpv6.type, 'echo-request'), countIn('passed')),
      ])],
    })
    using nft = await NftSocket.open({ netns: node.namespace.path })
    nft.commit(diffTable(undefined, watcher))
    const passed = (): number => Number(nft.read('inet', 'watcher')!.table.counters[0]!.packets)
    for (const address of ['203.0.113.7', '10.244.1.2', '172.30.1.11']) {
      forger.route.addAddress({ ifIndex, address: parseIp(address), prefix: 32 })
      expect(await forger.echoes('192.0.2.1', { from: address, timeoutMs: 300 })).toBe(false)
    }
    forger.route.addAddress({ ifIndex, address: parseIp('2001:db8:bad::1'), prefix: 128, noDad: true })
    expect(await forger.echoes('fd00:172:30:1::11', { from: '2001:db8:bad::1', timeoutMs: 300 })).toBe(false)
    expect(await forger.echoes('ff02::2', { ifIndex, timeoutMs: 300 })).toBe(false)
    expect(passed()).toBe(0)
    expect([await forger.echoes('192.0.2.1', { from: own4 }), await forger.echoes('fd00:172:30:1::11', { from: own6 })]).toEqual([true, true])
    expect(passed()).toBe(2)
    nft.commit(new Transaction(watcher).destroyTable())
    for (const [containerId, pod] of [['honest', honest], ['forger', forger]] as const) await node.call('DEL', { containerId, netns: pod.path })
    await eventually('links go', () => hostLinks(node.namespace).length === 0)
  })

  it.skipIf(noNft !== undefined)(skippable('the kernel lists the table as the golden says', noNft), async () => {
    const golden = readFileSync(new URL('../test/golden/no-host-ports.nft', import.meta.url), 'utf8')
    const listed = node.namespace.exec('nft', ['-s', 'list', 'table', 'inet', 'weft-cni'])
    expect(listed).toBe(golden.replaceAll(' packets 0 bytes 0', ''))
  })
})

describe.skipIf(reason !== undefined)(skippable('createCni() upkeep', reason), () => {
  it('puts back a flushed table, a lost route and a link set down (faults 19, 20)', async () => {
    await using node = await createNode(program, { resync: '200ms' })
    await node.start()
    await using pod = await TestNamespace.create()
    await node.call('ADD', { containerId: 'a', netns: pod.path, config: { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } } })
    const [link] = hostLinks(node.namespace)
    using nft = await NftSocket.open({ netns: node.namespace.path })
    const inKernel = (): unknown => {
      const state = nft.read('inet', 'weft-cni')
      return state && { table: state.table, rules: [...state.rules].map(([chain, rules]) => [chain, rules.map(({ fingerprint }) => fingerprint)]) }
    }
    const before = inKernel()
    expect(before).toBeDefined()
    nft.commit(new Transaction({ family: 'inet', name: 'weft-cni' }).destroyTable())
    node.namespace.route.setLink(node.namespace.route.link(link!).index, { up: false })
    await eventually('the link is up again', () => node.namespace.route.link(link!).up)
    await eventually('the table is back', () => nft.read('inet', 'weft-cni') !== undefined)
    expect(inKernel()).toEqual(before)
    expect(await pod.echoes('172.30.1.11')).toBe(true)
    deleteRoutes(node.namespace, { family: 6, protocol: 87 })
    await eventually('the route is back', () => node.namespace.route.routes({ protocol: 87, family: 6 }).length === 1)
    // Nothing differs now, so nothing is written (P11).
    const { writes } = node.cni
    await realClock.sleep(500)
    expect(node.cni.writes).toBe(writes)
  })
})
