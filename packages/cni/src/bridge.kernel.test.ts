import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { links, tables } from '@weft/api'
import { skippable } from '@weft/daemon/testing'
import { formatIp, type MacAddress, parseCidr, parseIp } from '@weft/ip'
import { requests } from '@weft/netlink'
import { TestNamespace, trackDescriptors, whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { programs } from '@weft/plugin/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createNode, eventually, hostLinks, nodeAddresses, type NodeFixture } from '../test/node-fixture.ts'
import { type FrameSpec, sendFrame } from '../test/send-frame.ts'
import { ask, serve } from '../test/talk.ts'
import { whyNoBridge } from './bridge.ts'
import { linkIdentity } from './link-name.ts'

const reason = whyNoKernelTests() ?? whyNoBridge('/proc/sys')
const noNft = reason ?? whyNoPrograms('nft')
const noFrames = noNft ?? whyNoPrograms('python3')

const [[, program]] = await programs()

interface Pod {
  readonly name: string
  readonly namespace: TestNamespace
  readonly mac: MacAddress
  readonly hostIfname: string
  readonly result: Readonly<Record<string, unknown>>
}

describe.skipIf(reason !== undefined)(skippable('mode "bridge"', reason), () => {
  let node: NodeFixture
  let namespaces: TestNamespace[]
  let leftOpen: () => string[]

  beforeEach(async () => {
    leftOpen = await trackDescriptors()
    namespaces = []
    node = await createNode(program, { mode: 'bridge' })
    await node.start()
  })
  afterEach(async () => {
    for (const namespace of namespaces) await namespace[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
    // oxlint-disable-next-line vitest/no-standalone-expect -- the leak check belongs to every test
    await expect.poll(leftOpen).toEqual([])
  })

  async function netns(): Promise<TestNamespace> {
    const namespace = await TestNamespace.create()
    namespaces.push(namespace)
    return namespace
  }

  async function add(name: string, config: Readonly<Record<string, unknown>> = {}): Promise<Pod> {
    const namespace = await netns()
    const { exitCode, stdout } = await node.call('ADD', { containerId: name, netns: namespace.path, config })
    expect([exitCode, exitCode === 0 ? '' : stdout]).toEqual([0, ''])
    const result: Readonly<Record<string, unknown>> = JSON.parse(stdout)
    const { podMac, hostIfname } = linkIdentity(name, 'eth0')
    return { name, namespace, mac: podMac, hostIfname, result }
  }

  async function check({ name, namespace, result }: Pod): Promise<string> {
    const { stdout } = await node.call('CHECK', { containerId: name, netns: namespace.path, config: { prevResult: result } })
    const { msg = '' }: { readonly msg?: string } = stdout === '' ? {} : JSON.parse(stdout)
    return msg
  }

  /** What a pod can do that has NET_ADMIN: it sends to the other's hardware address, past the node. */
  function goStraight(from: Pod, to: Pod, ips: readonly string[]): void {
    const ifIndex = from.namespace.route.link('eth0').index
    for (const ip of ips.map(parseIp)) {
      from.namespace.route.replaceNeighbour({ ifIndex, address: ip, mac: to.mac, state: 'permanent' })
      from.namespace.route.addRoute({ destination: parseCidr(`${formatIp(ip)}/${ip.family === 4 ? 32 : 128}`), ifIndex })
    }
  }

  const bridge = (): ReturnType<TestNamespace['route']['findLink']> => node.namespace.route.findLink(links.bridge)
  const onBridge = (): readonly string[] => node.namespace.route.routes({ protocol: 87 }).filter(({ ifIndex }) => ifIndex === bridge()?.index).map(({ destination }) => `${destination.prefix}`)

  it('ADD makes pods ports that reach each other and the node, CHECK says so, DEL leaves nothing of them', async () => {
    const [a, b] = [await add('a'), await add('b')]
    expect(a.result).toMatchObject({
      interfaces: [{ name: links.bridge, mac: '02:77:65:66:74:00' }, { name: a.hostIfname }, { name: 'eth0', mac: a.mac, sandbox: a.namespace.path }],
      ips: [{ address: '10.244.1.2/32', gateway: '169.254.1.1', interface: 2 }, { address: 'fd00:10:244:1::2/128', gateway: 'fe80::1', interface: 2 }],
    })
    expect([a, b].map(({ hostIfname }) => node.namespace.route.link(hostIfname).master)).toEqual([bridge()!.index, bridge()!.index])
    for (const [from, to] of [[a, '10.244.1.3'], [a, 'fd00:10:244:1::3'], [b, '10.244.1.2'], [node, '10.244.1.2'], [node, 'fd00:10:244:1::3'], [a, formatIp(nodeAddresses[4])], [b, formatIp(nodeAddresses[6])]] as const) expect([to, await from.namespace.echoes(to)]).toEqual([to, true])
    expect([await check(a), await check(b)]).toEqual(['', ''])
    expect((await node.call('DEL', { containerId: 'a', netns: a.namespace.path })).exitCode).toBe(0)
    await eventually('a goes', () => hostLinks(node.namespace).length === 1 && node.addresses.attachments().length === 1)
    expect([onBridge().length, node.namespace.route.neighbours({ ifIndex: bridge()!.index }).filter(({ state }) => state === 'permanent').length]).toEqual([2, 2])
    expect((await node.call('GC', { containerId: 'x', config: { 'cni.dev/valid-attachments': [] } })).exitCode).toBe(0)
    await eventually('b goes', () => node.addresses.attachments().length === 0)
    expect(onBridge()).toEqual([])
  })

  it.skipIf(noNft !== undefined)(skippable('policy sees what pods of a node send each other, past the node too, whatever net.bridge says', noNft), async () => {
    const [a, b] = [await add('a'), await add('b')]
    goStraight(a, b, ['10.244.1.3', 'fd00:10:244:1::3'])
    goStraight(b, a, ['10.244.1.2', 'fd00:10:244:1::2'])
    node.namespace.exec('sh', ['-c', 'for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo 0 > $f; done'])
    const both = ['10.244.1.3', 'fd00:10:244:1::3']
    for (const to of both) expect([to, await a.namespace.echoes(to)]).toEqual([to, true])
    // As weft-policy does it.
    node.namespace.exec('nft', ['add table inet judge; add chain inet judge forward { type filter hook forward priority 0; }; add rule inet judge forward ip daddr 10.244.1.3 counter drop; add rule inet judge forward ip6 daddr fd00:10:244:1::3 counter drop'])
    for (const to of both) expect([to, await a.namespace.echoes(to)]).toEqual([to, false])
    // What would be so without br_netfilter: the reason why it is asked for.
    node.namespace.exec('ip', ['link', 'set', links.bridge, 'type', 'bridge', 'nf_call_iptables', '0', 'nf_call_ip6tables', '0'])
    for (const to of both) expect([to, await a.namespace.echoes(to)]).toEqual([to, true])
    expect(await check(a)).toContain(`bridge ${links.bridge} is missing, or not as it was made`)
    node.cni.recheck()
    await eventually('the bridge is mended', () => bridge()?.ipHooks === true)
    for (const to of both) expect([to, await a.namespace.echoes(to)]).toEqual([to, false])
    expect(await check(a)).toBe('')
  })

  it.skipIf(noFrames !== undefined)(skippable('a pod sends neither as another, nor ARP and neighbour discovery, nor tagged or to all (CVE-2020-10749, C8)', noFrames), async () => {
    const [a, b] = [await add('a'), await add('b')]
    b.namespace.exec('nft', [`add table netdev watch; add chain netdev watch in { type filter hook ingress device eth0 priority 0; }; add rule netdev watch in ether saddr ${a.mac} counter`])
    const arrived = (): number => Number(/counter packets (\d+)/.exec(b.namespace.exec('nft', ['list', 'chain', 'netdev', 'watch', 'in']))![1])
    const dropped = (): number => [...node.namespace.exec('nft', ['list', 'table', 'bridge', tables.cni]).matchAll(/counter packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
    const ipv4 = (source: string, destination: string): Pick<FrameSpec, 'type' | 'source' | 'destination'> => ({ type: 0x0800, source, destination })
    const frames: readonly (readonly [what: string, frame: FrameSpec, passes: boolean])[] = [
      ['its own', { to: b.mac, ...ipv4('10.244.1.2', '10.244.1.3') }, true],
      ['as another pod', { to: b.mac, ...ipv4('10.244.1.9', '10.244.1.3') }, false],
      ['as b itself', { to: b.mac, ...ipv4('10.244.1.3', '10.244.1.3') }, false],
      ['to a multicast group', { to: b.mac, ...ipv4('10.244.1.2', '224.0.0.251') }, false],
      ['to all', { to: 'ff:ff:ff:ff:ff:ff', ...ipv4('10.244.1.2', '255.255.255.255') }, false],
      ['to another address of b', { to: b.mac, ...ipv4('10.244.1.2', '10.9.9.9') }, false],
      ['ARP', { to: b.mac, type: 0x0806 }, false],
      ['IPv6, link-local', { to: b.mac, type: 0x86dd }, false],
      ['tagged', { to: b.mac, tag: 0, ...ipv4('10.244.1.2', '10.244.1.3') }, false],
      ['tagged twice', { to: b.mac, tag: 0, outerTag: 0, ...ipv4('10.244.1.2', '10.244.1.3') }, false],
    ]
    for (const [what, frame, passes] of frames) {
      const [arrivedBefore, droppedBefore] = [arrived(), dropped()]
      sendFrame(a.namespace, frame)
      await eventually(`${what} is seen`, () => arrived() > arrivedBefore || dropped() > droppedBefore)
      expect([what, arrived() > arrivedBefore]).toEqual([what, passes])
    }
  })

  it('what somebody else changes is put back: the bridge, ports, places and routes; then nothing is written', async () => {
    const [a, b] = [await add('a'), await add('b')]
    const { route } = node.namespace
    const port = route.link(a.hostIfname).index
    const changes: readonly (readonly [string, () => void])[] = [
      ['the bridge goes', () => route.deleteLink(bridge()!.index)],
      ['it is set down', () => route.setLink(bridge()!.index, { up: false })],
      ['a port leaves', () => route.setLink(port, { master: 0 })],
      ['a place is forgotten', () => void route.transact([requests.deleteFdb({ ifIndex: port, mac: a.mac, table: 'master' })])],
      ['a route goes', () => route.deleteRoute({ destination: parseCidr('10.244.1.2/32'), ifIndex: bridge()!.index })],
    ]
    for (const [what, change] of changes) {
      change()
      expect([what, await check(a)]).not.toEqual([what, ''])
      const { writes } = node.cni
      node.cni.recheck()
      await eventually(`${what}, and it is mended`, () => node.cni.writes > writes)
      await expect.poll(async () => [what, await check(a), await b.namespace.echoes('10.244.1.2')]).toEqual([what, '', true])
    }
    const { writes } = node.cni
    node.cni.recheck()
    await node.call('STATUS', { containerId: 'x' })
    await new Promise((resolve) => void setTimeout(resolve, 200))
    expect(node.cni.writes).toBe(writes)
  })

  it('a new agent adopts ports and takes away addresses of nobody; in the other mode they stay, and the bridge goes with the last', async () => {
    const [a, b] = [await add('a'), await add('b')]
    const { route } = node.namespace
    await node.stop()
    // Of an ADD that was killed before its addresses were on disk.
    route.addRoute({ destination: parseCidr('10.244.1.77/32'), ifIndex: bridge()!.index, protocol: 87 })
    await node.start()
    await eventually('the route of nobody goes', () => onBridge().length === 4)
    expect([await check(a), await b.namespace.echoes('10.244.1.2')]).toEqual(['', true])
    await node.stop()
    node.mode = 'point-to-point'
    await node.start()
    const c = await add('c')
    expect([route.link(c.hostIfname).master, await check(a), await check(c)]).toEqual([undefined, '', ''])
    for (const [from, to] of [[c, '10.244.1.2'], [a, '10.244.1.4'], [a, 'fd00:10:244:1::4']] as const) expect([to, await from.namespace.echoes(to)]).toEqual([to, true])
    for (const containerId of ['a', 'b']) await node.call('DEL', { containerId })
    await eventually('both go', () => node.addresses.attachments().length === 1)
    await node.stop()
    await node.start()
    expect(bridge()).toBeUndefined()
    if (noNft === undefined) expect(node.namespace.exec('nft', ['list', 'tables'])).not.toContain('bridge')
    expect(await check(c)).toBe('')
  })

  it('a lost store is rebuilt: ports keep their addresses', async () => {
    const [a, b] = [await add('a'), await add('b')]
    await node.stop()
    for (const rest of ['-wal', '-shm']) await rm(join(node.folder, `attachments.db${rest}`), { force: true })
    await writeFile(join(node.folder, 'attachments.db'), 'no database')
    await node.start()
    expect(node.addresses.attachments().map(({ hostIfname, ips }) => [hostIfname, ...ips.map(formatIp)])).toEqual(expect.arrayContaining([[a.hostIfname, '10.244.1.2', 'fd00:10:244:1::2'], [b.hostIfname, '10.244.1.3', 'fd00:10:244:1::3']]))
    expect(await b.namespace.echoes('10.244.1.2')).toBe(true)
  })

  it('host ports lead to ports, from outside, from other pods and from the pod itself', async () => {
    const [a, b] = [await add('a', { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] } }), await add('b')]
    using _server = await serve(a.namespace, 'tcp', 80)
    for (const host of [formatIp(nodeAddresses[4]), formatIp(nodeAddresses[6])]) {
      for (const from of [b, a, node]) expect([host, ask(from.namespace, 'tcp', host, 8080)]).toEqual([host, from === b ? (host.includes(':') ? 'fd00:10:244:1::3' : '10.244.1.3') : host])
    }
    expect(ask(node.namespace, 'tcp', '127.0.0.1', 8080)).toBe(formatIp(nodeAddresses[4]))
  })

  it('a hardware address is one pod\'s', async () => {
    await add('a', { runtimeConfig: { mac: '02:00:00:00:00:77' } })
    for (const mac of ['02:00:00:00:00:77', '02:77:65:66:74:00']) {
      const { stdout } = await node.call('ADD', { containerId: 'b', netns: (await netns()).path, config: { runtimeConfig: { mac } } })
      expect(JSON.parse(stdout)).toMatchObject({ code: 106, msg: expect.stringContaining(`Cannot give "eth0" hardware address ${mac}: `) as string })
    }
    expect(node.addresses.attachments()).toHaveLength(1)
  })
})

it.skipIf(reason !== undefined)(skippable('mode "bridge" without br_netfilter is refused with the remedy', reason), async () => {
  const sysctlFolder = await mkdtemp(join(tmpdir(), 'weft-sys-'))
  await using node = await createNode(program, { mode: 'bridge', sysctlFolder })
  await using pod = await TestNamespace.create()
  await node.start()
  const why = 'the kernel has no br_netfilter, so no policy would see what pods of one node send each other; run "modprobe br_netfilter" and list it in /etc/modules-load.d, or set mode to point-to-point'
  expect(JSON.parse((await node.call('ADD', { containerId: 'a', netns: pod.path })).stdout)).toMatchObject({ code: 106, msg: `Cannot make pods ports of bridge "weft-bridge": ${why}` })
  expect(JSON.parse((await node.call('STATUS', { containerId: 'a' })).stdout)).toMatchObject({ code: 50, msg: `Cannot attach pods: ${why}` })
  expect([node.cni.ready().ready, node.addresses.attachments(), hostLinks(node.namespace)]).toEqual([false, [], []])
  await rm(sysctlFolder, { recursive: true })
})
