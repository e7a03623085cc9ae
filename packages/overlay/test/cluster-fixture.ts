/** Three nodes in namespaces: n1 and n2 on one segment, n3 behind a router that drops every source it does not know, and a host outside. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type IpAddress, parseCidr, parseInterfaceAddress, parseIp } from '@weft/ip'
import { ensureDone, requests, writeSysctls } from '@weft/netlink'
import { TestNamespace } from '@weft/netlink/testing'
import { baseChain, diffTable, drop, hasAny, ct, accept, ip, ip6, notIn, NftSocket, rule, set, table } from '@weft/nftables'
import type { NodeLine } from './cluster-file.ts'

export interface TestNode extends NodeLine {
  readonly namespace: TestNamespace
  readonly nft: NftSocket
  readonly pod: TestNamespace
  readonly podIps: readonly string[]
}

export interface TestCluster extends AsyncDisposable {
  readonly nodes: readonly TestNode[]
  readonly outside: TestNamespace
  /** What `to` sees as the source when `from` asks it; `-` when nothing comes back. */
  ask(from: TestNamespace, to: string, options?: AskOptions): Promise<string>
}

interface AskOptions {
  readonly bytes?: number | undefined
  readonly port?: number | undefined
}

export interface ClusterOptions {
  readonly families: readonly (4 | 6)[]
}

const segments = {
  n1: { bridge: 'br-a', addresses: ['172.30.1.11/24', 'fd00:172:30:1::11/64'] },
  n2: { bridge: 'br-a', addresses: ['172.30.1.12/24', 'fd00:172:30:1::12/64'] },
  n3: { bridge: 'br-b', addresses: ['172.30.2.13/24', 'fd00:172:30:2::13/64'] },
} as const
export const outsideIps: Readonly<Record<4 | 6, string>> = { 4: '203.0.113.10', 6: '2001:db8:113::10' }

export async function createCluster({ families }: ClusterOptions): Promise<TestCluster> {
  await using stack = new AsyncDisposableStack()
  const wanted = (text: string): boolean => families.includes(text.includes(':') ? 6 : 4)
  const namespace = async (): Promise<TestNamespace> => {
    const made = stack.use(await TestNamespace.create())
    // Links of a real node are older than a second: no test waits for duplicate address detection.
    await writeSysctls(made.path, { 'net.ipv6.conf.all.accept_dad': '0', 'net.ipv6.conf.default.accept_dad': '0' })
    return made
  }
  const ends = (name: string, addresses: readonly string[]): { readonly name: string, readonly addresses: { readonly address: IpAddress, readonly prefix: number }[] } => ({ name, addresses: addresses.filter(wanted).map(parseInterfaceAddress) })
  const defaults = (ns: TestNamespace, link: string, vias: readonly string[]): void => ensureDone(ns.route.transact(vias.filter(wanted).map((via) =>
    requests.addRoute({ destination: parseCidr(via.includes(':') ? '::/0' : '0.0.0.0/0'), via: parseIp(via), ifIndex: ns.route.link(link).index }))))

  const router = await namespace()
  await forward(router)
  // Where br_netfilter is loaded, what a bridge passes on would meet the rules of the router.
  for (const name of ['iptables', 'ip6tables']) await writeSysctls(router.path, { [`net.bridge.bridge-nf-call-${name}`]: '0' }).catch(() => undefined)
  for (const [name, addresses] of [['br-a', ['172.30.1.1/24', 'fd00:172:30:1::1/64']], ['br-b', ['172.30.2.1/24', 'fd00:172:30:2::1/64']]] as const) {
    const { index } = router.route.addLink({ kind: 'bridge', name, up: true, multicastSnooping: false })
    ensureDone(router.route.transact(addresses.filter(wanted).map((text) => requests.addAddress({ ifIndex: index, ...parseInterfaceAddress(text), noDad: true }))))
  }
  const outside = await namespace()
  TestNamespace.connect(router, ends('out', ['203.0.113.1/24', '2001:db8:113::1/64']), outside, ends('eth0', [`${outsideIps[4]}/24`, `${outsideIps[6]}/64`]))
  defaults(outside, 'eth0', ['203.0.113.1', '2001:db8:113::1'])
  using routerNft = await NftSocket.open({ netns: router.path })
  routerNft.commit(diffTable(undefined, strict))

  const nodes: TestNode[] = []
  for (const [name, { bridge, addresses }] of Object.entries(segments)) {
    const number = name.slice(1)
    const node = await namespace()
    await forward(node)
    // The strictest a distribution sets.
    await writeSysctls(node.path, { 'net.ipv4.conf.all.rp_filter': '1', 'net.ipv4.conf.default.rp_filter': '1' })
    const [, port] = TestNamespace.connect(node, ends('eth0', addresses), router, ends(`to-${name}`, []))
    router.route.setLink(port, { master: router.route.link(bridge).index })
    defaults(node, 'eth0', bridge === 'br-a' ? ['172.30.1.1', 'fd00:172:30:1::1'] : ['172.30.2.1', 'fd00:172:30:2::1'])
    const pod = await namespace()
    const podIps = [`10.244.${number}.5`, `fd00:10:244:${number}::5`].filter(wanted)
    const [host] = TestNamespace.connect(node, ends(`weft${number}`, ['169.254.1.1/32', 'fe80::1/128']), pod, ends('eth0', podIps.map((ip) => `${ip}/${ip.includes(':') ? 128 : 32}`)))
    const eth0 = pod.route.link('eth0').index
    ensureDone(pod.route.transact(families.flatMap((family) => [
      ...family === 4 ? [requests.addRoute({ destination: parseCidr('169.254.1.1/32'), ifIndex: eth0 })] : [],
      requests.addRoute({ destination: parseCidr(family === 4 ? '0.0.0.0/0' : '::/0'), via: parseIp(family === 4 ? '169.254.1.1' : 'fe80::1'), ifIndex: eth0 }),
    ])))
    const ips = addresses.map((text) => text.slice(0, text.indexOf('/'))).filter(wanted)
    ensureDone(node.route.transact(podIps.map((ip) => requests.addRoute({
      destination: parseCidr(`${ip}/${ip.includes(':') ? 128 : 32}`), ifIndex: host, protocol: 87, source: parseIp(ips.find((each) => each.includes(':') === ip.includes(':'))!),
    }))))
    const nft = stack.use(await NftSocket.open({ netns: node.path }))
    nodes.push({ name, namespace: node, nft, pod, podIps, ips, podCIDRs: [`10.244.${number}.0/24`, `fd00:10:244:${number}::/64`].filter(wanted) })
  }
  const peers = new Map<TestNamespace, EchoPeer>()
  for (const ns of [outside, ...nodes.flatMap(({ namespace, pod }) => [namespace, pod])]) peers.set(ns, stack.adopt(await EchoPeer.start(ns), (peer) => peer.end()))
  const kept = stack.move()
  return { nodes, outside, ask: (from, to, options = {}) => peers.get(from)!.ask(to, options), [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

async function forward(ns: TestNamespace): Promise<void> {
  await writeSysctls(ns.path, { 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' })
}

/** As the routers of clouds: a packet from an address they did not give out goes nowhere. */
const strict = table({
  name: 'router',
  sets: [
    set('known4', { key: ['ipv4_addr'], flags: ['interval'], elements: ['172.30.0.0/16', '203.0.113.0/24'].map((text) => ({ key: [parseCidr(text)] })) }),
    set('known6', { key: ['ipv6_addr'], flags: ['interval'], elements: ['fd00:172:30::/48', '2001:db8:113::/64'].map((text) => ({ key: [parseCidr(text)] })) }),
  ],
  chains: [baseChain('forward', { type: 'filter', hook: 'forward', priority: 0 }, [
    rule(notIn(ip.saddr, 'known4'), drop), rule(notIn(ip6.saddr, 'known6'), drop), rule(hasAny(ct.state, 'established', 'related', 'new'), accept),
  ])],
})

class EchoPeer {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #answers: AsyncIterator<string>
  readonly #lines: Interface

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#lines = createInterface({ input: child.stdout })
    this.#answers = this.#lines[Symbol.asyncIterator]()
  }

  static async start(ns: TestNamespace): Promise<EchoPeer> {
    const peer = new EchoPeer(spawn('nsenter', [`--net=${ns.path}`, process.execPath, fileURLToPath(new URL('echo-peer.ts', import.meta.url))], { env: { PATH: process.env['PATH'] }, stdio: ['pipe', 'pipe', 'pipe'] }))
    await peer.#answers.next()
    return peer
  }

  async ask(to: string, { bytes = 1, port = 9000 }: AskOptions): Promise<string> {
    this.#child.stdin.write(`${to} ${port} ${bytes}\n`)
    const { value } = await this.#answers.next()
    return value as string
  }

  async end(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.kill('SIGKILL')
    await ended
  }
}
