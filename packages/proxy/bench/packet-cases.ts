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
import { NftSocket } from '@weft/nftables'
import { type ClusterStores, node, service, slice, storesOf } from '../test/cluster.ts'
import { running } from '../test/running.ts'
import { kubeProxyPieces } from './kube-proxy-table.ts'
import { podIp, serviceIp } from './objects.ts'

const rounds = 31
const packets = 3000
const asked = 500
const backend = '10.244.1.2'
const sizes = [10, 10_000, 45_000] as const

/** kube-proxy's rules for more Services than these take minutes to load, so they are compared only when they are asked for. */
const mostPeerServices = process.env['WEFT_BENCH_LARGE_PEER'] === undefined ? 10_000 : Infinity

/** What the kernel's own address translation costs, without any choice: the same addresses by a rule for each. */
const plainTable = `table ip plain {\nchain prerouting {\ntype nat hook prerouting priority dstnat;\nip daddr ${formatIp(serviceIp(0))} udp dport 80 dnat to ${backend}:8080\nip daddr ${formatIp(serviceIp(1))} udp dport 80 dnat to ${backend}:8081\n}\n}\n`

/** The first packet of a connection and later ones, in processor time; and the time until the first one's answer is there. */
type Kind = 'new' | 'same' | 'ask'
const quietPort = 8080
const echoPort = 8081

/** A client, the node it is on, which forwards, and a backend on another that takes packets and says nothing. */
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

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

type Way = 'direct' | 'vip'
/** Nodes that are the same but for their rules. */
type Rules = 'ours' | 'peer' | 'plain'

/** What one node took for a packet, by rounds. */
type Taken = Readonly<Record<Way, readonly number[]>>

/** All nodes and both ways in turn, each first as often as last: what else the machine does changes slower than neighbours in time follow each other. */
function measure(paths: ReadonlyMap<Rules, Path>, kind: Kind): ReadonlyMap<Rules, Taken> {
  const [target, vip] = kind === 'ask' ? [echoPort, formatIp(serviceIp(1))] : [quietPort, formatIp(serviceIp(0))]
  const turns = [...paths].flatMap(([rules, path]) => [
    { rules, way: 'direct' as const, send: () => path.send(backend, target, kind) },
    { rules, way: 'vip' as const, send: () => path.send(vip, 80, kind) },
  ])
  const taken = new Map([...paths.keys()].map((rules) => [rules, { direct: [] as number[], vip: [] as number[] }]))
  for (let round = 0; round <= rounds; round += 1) {
    // The first does not count.
    for (const { rules, way, send } of round % 2 === 0 ? turns : turns.toReversed()) {
      const nanoseconds = send()
      if (round > 0) taken.get(rules)![way].push(nanoseconds)
    }
  }
  return taken
}

/** Median of the ratios of neighbours. */
function ratioOf(a: readonly number[], b: readonly number[]): number {
  return median(a.map((value, round) => value / b[round]!))
}

/** The first two Services have the backend that is measured, the first its quiet port. */
const endpointsOf = (number: number): readonly string[] => (number < 2 ? [backend] : [formatIp(podIp(number * 2)), formatIp(podIp(number * 2 + 1))])

const portOf = (number: number): number => (number === 1 ? echoPort : quietPort)

function storesOfSize(services: number): ClusterStores {
  const stores = storesOf([node('here', { podCidrs: ['10.244.0.0/24'] }), node('there', { podCidrs: ['10.244.1.0/24'] })])
  stores.services.replace(Array.from({ length: services }, (_, number) => toService(service(`bench/s${number}`, [formatIp(serviceIp(number))], { ports: [{ port: 80, protocol: 'UDP' }] }))))
  stores.slices.replace(Array.from({ length: services }, (_, number) => toEndpointSlice(slice(`bench/s${number}`, endpointsOf(number), { ports: [{ port: portOf(number), protocol: 'UDP' }] }))))
  return stores
}

async function casesOf(services: number): Promise<readonly BenchCase[]> {
  await using stack = new AsyncDisposableStack()
  const hasPeer = services <= mostPeerServices
  const paths = new Map<Rules, Path>()
  for (const rules of hasPeer ? ['ours', 'peer', 'plain'] as const : ['ours', 'plain'] as const) paths.set(rules, stack.use(await Path.create()))
  const { nft, flows } = paths.get('ours')!
  stack.use(await running(storesOfSize(services), { nft, flows }))
  for (const piece of hasPeer ? kubeProxyPieces({ services, protocol: 'udp', endpoints: endpointsOf, port: portOf }) : []) paths.get('peer')!.node.exec('nft', ['-f', '-'], piece)
  paths.get('plain')!.node.exec('nft', ['-f', '-'], plainTable)
  const cases: BenchCase[] = []
  for (const { kind, name, unit, least } of kinds) {
    const taken = measure(paths, kind)
    const [mine, theirs, plain] = [taken.get('ours')!, taken.get('peer'), taken.get('plain')!]
    const shared = { size: `${services} services`, unit }
    const against = (title: string, ours: readonly number[], peer: readonly number[] | undefined, { peerName, ratio, goal, isMet }: { readonly peerName: string, readonly ratio: number | undefined, readonly goal: string, readonly isMet?: (ratio: number) => boolean }): void => void cases.push({
      ...shared, name: title, ours: median(ours), peer: peer === undefined ? undefined : median(peer), peer_name: peerName, ratio, goal, ok: isMet === undefined ? true : ratio === undefined ? undefined : isMet(ratio),
    })
    if (theirs !== undefined) against(`${name} through a VIP of kube-proxy's rules (1.36), against direct`, theirs.vip, theirs.direct, { peerName: 'the direct way through the same node', ratio: ratioOf(theirs.direct, theirs.vip), goal: 'none' })
    const limit = least === undefined ? { goal: 'none' } : { goal: `direct / VIP >= ${least}`, isMet: (ratio: number) => ratio >= least }
    against(`${name} through a VIP, against direct`, mine.vip, mine.direct, { peerName: 'the direct way through the same node', ratio: ratioOf(mine.direct, mine.vip), ...limit })
    against('the same where one plain DNAT rule is all there is: the limit of the kernel', plain.vip, plain.direct, { peerName: 'the direct way through the same node', ratio: ratioOf(plain.direct, plain.vip), goal: 'none' })
    if (kind === 'same') against(`${name} through a VIP, against one plain DNAT rule`, mine.vip, plain.vip, { peerName: 'one plain DNAT rule', ratio: ratioOf(mine.vip, plain.vip), goal: 'none' })
    const peerName = theirs === undefined ? 'nft takes minutes for rules of so many Services: WEFT_BENCH_LARGE_PEER=1' : "kube-proxy's rules (1.36)"
    against(`${name} through a VIP`, mine.vip, theirs?.vip, { peerName, ratio: theirs === undefined ? undefined : ratioOf(mine.vip, theirs.vip), goal: 'ratio <= 1.05', isMet: (ratio) => ratio <= 1.05 })
  }
  return cases
}

/** All to a backend on another node, as most are in a large cluster: one on this node costs two lookups more (DESIGN.md, What a packet costs). */
const kinds = [
  { kind: 'ask', name: 'first packet of a connection and its answer', unit: 'ns', least: 0.95 },
  { kind: 'new', name: 'first packet of a connection', unit: 'ns CPU', least: undefined },
  { kind: 'same', name: 'packet of an established connection', unit: 'ns CPU', least: 0.99 },
] as const

/** What a packet costs the node on its way through a VIP: against the direct way in the same node, against kube-proxy's rules, and against what no rules can save. */
export async function packetCases(): Promise<readonly BenchCase[]> {
  if (!hasPrograms('cc', 'nft')) return []
  const cases: BenchCase[] = []
  for (const services of sizes) cases.push(...await casesOf(services))
  return cases
}
