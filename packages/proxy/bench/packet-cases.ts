import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toEndpointSlice, toService } from '@weft/api'
import { type BenchCase, median } from '@weft/daemon/bench'
import { formatIp, parseCidr, parseInterfaceAddress, parseIp } from '@weft/ip'
import { Conntrack, writeSysctls } from '@weft/netlink'
import { hasPrograms, TestNamespace } from '@weft/netlink/testing'
import { NftSocket, Transaction } from '@weft/nftables'
import { node, service, slice, storesOf } from '../test/cluster.ts'
import { running } from '../test/running.ts'
import { kubeProxyTable } from './kube-proxy-table.ts'
import { podIp, serviceIp } from './objects.ts'

const rounds = 31
const packets = 5000
const asked = 500
const backend = '10.244.1.2'

/** Sizes; nft takes minutes for kube-proxy's rules beyond the ones with a peer. */
const sizes = [{ services: 10, hasPeer: true }, { services: 10_000, hasPeer: true }, { services: 45_000, hasPeer: false }] as const

/** What the kernel's own address translation costs, without any choice: an address of one rule. */
const plain = {
  address: '10.97.0.1', table: { family: 'ip', name: 'plain' },
  text: `table ip plain {\nchain prerouting {\ntype nat hook prerouting priority -101;\nip daddr 10.97.0.1 udp dport 81 dnat to ${backend}:8081\n}\n}\n`,
} as const

/** The first packet of a connection and later ones, in processor time; and the time until the first one's answer is there. */
type Kind = 'new' | 'same' | 'ask'
const echoPort = 8081

/** A client, a node that forwards, and a backend that takes packets and says nothing. */
class Path implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack
  readonly client: TestNamespace
  readonly node: TestNamespace
  readonly nft: NftSocket
  readonly flows: Conntrack
  readonly program: string

  private constructor(stack: AsyncDisposableStack, namespaces: { readonly client: TestNamespace, readonly node: TestNamespace }, kernel: { readonly nft: NftSocket, readonly flows: Conntrack, readonly program: string }) {
    this.#stack = stack
    this.client = namespaces.client
    this.node = namespaces.node
    this.nft = kernel.nft
    this.flows = kernel.flows
    this.program = kernel.program
  }

  static async create(): Promise<Path> {
    const stack = new AsyncDisposableStack()
    const [client, own, server] = [stack.use(await TestNamespace.create()), stack.use(await TestNamespace.create()), stack.use(await TestNamespace.create())]
    await writeSysctls(own.path, { 'net.ipv4.ip_forward': '1' })
    const end = (address: string): { readonly addresses: readonly ReturnType<typeof parseInterfaceAddress>[] } => ({ addresses: [parseInterfaceAddress(address)] })
    TestNamespace.connect(own, { name: 'client', ...end('10.244.0.1/24') }, client, { name: 'eth0', ...end('10.244.0.2/24') })
    TestNamespace.connect(own, { name: 'server', ...end('10.244.1.1/24') }, server, { name: 'eth0', ...end(`${backend}/24`) })
    client.route.addRoute({ destination: parseCidr('0.0.0.0/0'), via: parseIp('10.244.0.1') })
    server.route.addRoute({ destination: parseCidr('0.0.0.0/0'), via: parseIp('10.244.1.1') })
    // What is not asked is not answered either: only the way there counts.
    server.exec('nft', ['-f', '-'], 'table inet quiet {\nchain input {\ntype filter hook prerouting priority -300;\nudp dport 8080 drop\n}\n}\n')
    const folder = mkdtempSync(join(tmpdir(), 'weft-proxy-bench-'))
    stack.defer(() => rmSync(folder, { recursive: true }))
    const program = join(folder, 'first-packets')
    execFileSync('cc', ['-O2', '-o', program, join(import.meta.dirname, 'first-packets.c')])
    const echo = spawn('nsenter', [`--net=${server.path}`, program, backend, String(echoPort), '0', 'serve'], { stdio: ['ignore', 'pipe', 'inherit'] })
    stack.defer(() => void echo.kill('SIGKILL'))
    await once(echo.stdout, 'data')
    return new Path(stack, { client, node: own }, { nft: stack.use(await NftSocket.open({ netns: own.path })), flows: stack.use(await Conntrack.open({ netns: own.path })), program })
  }

  /** Nanoseconds a packet. */
  send(address: string, port: number, kind: Kind): number {
    this.flows.flush()
    return Number(this.client.exec(this.program, [address, String(port), String(kind === 'ask' ? asked : packets), kind]))
  }

  clear(): void {
    for (const table of [{ family: 'inet', name: 'weft-proxy' }, { family: 'ip', name: 'kube-proxy' }, plain.table] as const) this.nft.commit(new Transaction(table).destroyTable())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

interface Figures {
  readonly direct: number
  readonly vip: number
  /** Direct divided by VIP, of neighbours in time: what else the machine does changes slower than they follow each other. */
  readonly ratio: number
}

/** Direct and through the VIP in turn, each first as often as last; medians, with whatever table is loaded. */
function measure(path: Path, kind: Kind, address: string = formatIp(serviceIp(0))): Figures {
  const [target, port] = kind === 'ask' ? [echoPort, 81] : [8080, 80]
  const ways = { direct: () => path.send(backend, target, kind), vip: () => path.send(address, port, kind) }
  const figures: Omit<Figures, 'ratio'>[] = []
  for (let round = 0; round <= rounds; round += 1) {
    const taken = { direct: 0, vip: 0 }
    for (const way of round % 2 === 0 ? ['direct', 'vip'] as const : ['vip', 'direct'] as const) taken[way] = ways[way]()
    if (round > 0) figures.push(taken)
  }
  return { direct: median(figures.map(({ direct }) => direct)), vip: median(figures.map(({ vip }) => vip)), ratio: median(figures.map(({ direct, vip }) => direct / vip)) }
}

const endpointsOf = (number: number): readonly string[] => (number === 0 ? [backend] : [formatIp(podIp(number * 2)), formatIp(podIp(number * 2 + 1))])

async function ours(path: Path, services: number): Promise<Readonly<Record<Kind | 'plain', Figures>>> {
  path.clear()
  const stores = storesOf([node('here', { podCidrs: ['10.244.0.0/24', '10.244.1.0/24'] })])
  stores.services.replace(Array.from({ length: services }, (_, number) => toService(service(`bench/s${number}`, [formatIp(serviceIp(number))], { ports: [{ name: 'quiet', port: 80, protocol: 'UDP' }, ...(number === 0 ? [{ name: 'echo', port: 81, protocol: 'UDP' }] : [])] }))))
  stores.slices.replace(Array.from({ length: services }, (_, number) => toEndpointSlice(slice(`bench/s${number}`, endpointsOf(number), { ports: [{ name: 'quiet', port: 8080, protocol: 'UDP' }, { name: 'echo', port: echoPort, protocol: 'UDP' }] }))))
  await using _run = await running(stores, { nft: path.nft, flows: path.flows })
  const figures = { new: measure(path, 'new'), same: measure(path, 'same'), ask: measure(path, 'ask') }
  path.node.exec('nft', ['-f', '-'], plain.text)
  return { ...figures, plain: measure(path, 'ask', plain.address) }
}

function kubeProxy(path: Path, services: number): Readonly<Record<'new' | 'same', Figures>> {
  path.clear()
  path.node.exec('nft', ['-f', '-'], kubeProxyTable({ services, protocol: 'udp', endpoints: endpointsOf }))
  return { new: measure(path, 'new'), same: measure(path, 'same') }
}

/** What a packet costs the node on its way through a VIP: against the direct way in the same node, and against kube-proxy's rules on the same path. */
export async function packetCases(): Promise<readonly BenchCase[]> {
  if (!hasPrograms('cc', 'nft')) return []
  await using path = await Path.create()
  const cases: BenchCase[] = []
  for (const { services, hasPeer } of sizes) {
    const mine = await ours(path, services)
    const theirs = hasPeer ? kubeProxy(path, services) : undefined
    const size = `${services} services`
    const { direct: there, vip: through, ratio } = mine.ask
    cases.push({ name: 'first packet of a connection and its answer, through a VIP, against direct', size, unit: 'ns', ours: through, peer: there, peer_name: 'the direct way through the same node', ratio, goal: 'direct / VIP >= 0.95', ok: ratio >= 0.95 })
    cases.push({ name: 'the same through one rule of its own', size, unit: 'ns', ours: mine.plain.vip, peer: mine.plain.direct, peer_name: 'the direct way through the same node', ratio: mine.plain.ratio, goal: 'none', ok: true })
    for (const [kind, name, least] of [['new', 'first packet of a connection', undefined], ['same', 'packet of an established connection', 0.99]] as const) {
      const { direct, vip, ratio: sideBySide } = mine[kind]
      cases.push({ name: `${name} through a VIP, against direct`, size, unit: 'ns CPU', ours: vip, peer: direct, peer_name: 'the direct way through the same node', ratio: sideBySide, goal: least === undefined ? 'none' : `direct / VIP >= ${least}`, ok: least === undefined || sideBySide >= least })
      const peer = theirs?.[kind].vip
      cases.push({ name: `${name} through a VIP`, size, unit: 'ns CPU', ours: vip, peer, peer_name: peer === undefined ? 'nft takes minutes for rules of so many Services' : "kube-proxy's rules (1.36)", ratio: peer === undefined ? undefined : vip / peer, goal: 'ratio <= 1.05', ok: peer === undefined ? undefined : vip / peer <= 1.05 })
    }
  }
  return cases
}
