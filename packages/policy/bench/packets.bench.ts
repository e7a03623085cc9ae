// Run: unshare -Urnm --propagation private node -C dev packages/policy/bench/packets.bench.ts
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { toNetworkPolicy, toPod } from '@weft/api'
import { type BenchCase, median } from '@weft/daemon/bench'
import { Conntrack } from '@weft/netlink'
import { hasPrograms } from '@weft/netlink/testing'
import { diffTable, NftSocket } from '@weft/nftables'
import { networkPolicy, pod } from '../test/cluster.ts'
import { createPodNet, type PodNet } from '../test/pod-net.ts'
import { PolicyState } from '../src/state.ts'
import { watchPeer, watchTarget } from '../src/watch.ts'
import { calicoTable, kubeRouterTable, type PeerShape } from './peer-tables.ts'

const rounds = 9
const packets = 20_000
const localPods = 250
const namespaces = 50
const otherCounts = [1, 1000, 10_000]
const partsAtOnce = 100

/** What policies cost packets: nanoseconds of processor time for each, ours and peers in turn on the same path. */
export async function cases(): Promise<readonly BenchCase[]> {
  if (!hasPrograms('cc', 'nft')) return []
  const folder = mkdtempSync(join(tmpdir(), 'weft-policy-bench-'))
  const program = join(folder, 'flows')
  execFileSync('cc', ['-O2', '-o', program, join(import.meta.dirname, 'flows.c')])
  await using net = await createPodNet([])
  net.b.namespace.exec('nft', ['-f', '-'], 'table inet quiet { chain input { type filter hook input priority 0; meta l4proto udp drop\n}\n}\n')
  using nft = await NftSocket.open({ netns: net.node.path })
  using flows = await Conntrack.open({ netns: net.node.path })
  const path: Path = { net, nft, flows, program }
  const found = [await established(path), ...await news(path), ...await otherPolicies(path)]
  rmSync(folder, { recursive: true })
  return found
}

interface Path {
  readonly net: PodNet
  readonly nft: NftSocket
  readonly flows: Conntrack
  readonly program: string
}

type Kind = 'new' | 'same'
type Load = (path: Path) => void

/** Nanoseconds a packet in each round, with one table after the other in a round: what slows the machine slows all of them. */
type Rounds = readonly number[]

function measure(path: Path, kind: Kind, loads: readonly Load[]): readonly Rounds[] {
  const figures = loads.map((): number[] => [])
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, load] of loads.entries()) {
      clear(path)
      load(path)
      path.flows.flush()
      const ns = Number(path.net.a.namespace.exec(path.program, [path.net.b.ips[0], String(packets), kind]))
      if (round > 0) figures[index]!.push(ns)
    }
  }
  clear(path)
  return figures
}

function clear({ net }: Path): void {
  net.node.exec('nft', ['-f', '-'], ['weft-policy', 'peer'].map((name) => `add table inet ${name}\ndelete table inet ${name}\n`).join(''))
}

/** Connections are tracked, as Services need it anywhere, and nothing else. */
const nothing: Load = ({ net }) => void net.node.exec('nft', ['-f', '-'], 'table inet peer {\nchain forward {\ntype filter hook forward priority 0;\nct state invalid drop\n}\n}\n')
const podIps = (net: PodNet): readonly string[] => [...Array.from({ length: localPods - 1 }, (_, index) => `10.99.${index >> 8}.${index & 255}`), net.b.ips[0]]

/** Rules before the one that allows the client; none of them means it. */
const rulesOf = {
  'of networks': (index: number) => ({ from: [{ ipBlock: { cidr: `192.0.2.${index % 256}/32` } }] }),
  'of selectors': (index: number) => ({ from: [{ podSelector: { matchLabels: { app: `a${index}` } } }], ports: [{ protocol: 'UDP', port: 1000, endPort: 60_000 }] }),
  'of networks with ports': (index: number) => ({ from: [{ ipBlock: { cidr: `192.0.2.${index % 256}/32` } }], ports: [{ protocol: 'UDP', port: 5000 + index }] }),
} as const
type RuleKind = keyof typeof rulesOf

/** Our table for the same: a policy with so many rules on the server, and others on the other pods. */
function ours({ net }: Path, policies: number, rules: number, { kind = 'of networks', client = false }: { readonly kind?: RuleKind, readonly client?: boolean } = {}): Load {
  const state = new PolicyState()
  const stranger = { ipBlock: { cidr: '192.0.2.0/30' } }
  for (const name of ['x', ...Array.from({ length: namespaces }, (_, index) => `n${index}`)]) state.setNamespace(name, { labels: {}, deleting: false })
  for (const [index, ip] of podIps(net).entries()) {
    const key = index === localPods - 1 ? 'x/server' : `n${index % namespaces}/p${index}`
    const found = toPod(pod(key, { ips: [ip], labels: { app: `a${index}` } }))
    state.setPeer(key, watchPeer(found))
    state.setTarget(key, watchTarget(found, found))
  }
  state.setPolicy('x/own', toNetworkPolicy(networkPolicy('x/own', { podSelector: { matchLabels: { app: `a${localPods - 1}` } }, ingress: [...Array.from({ length: rules }, (_, index) => rulesOf[kind](index)), { from: [{ ipBlock: { cidr: `${net.a.ips[0]}/32` } }] }] })))
  if (client) {
    const found = toPod(pod('x/client', { ips: [net.a.ips[0]], labels: { app: 'client' } }))
    state.setPeer('x/client', watchPeer(found))
    state.setTarget('x/client', watchTarget(found, found))
    const egress = [...Array.from({ length: rules }, (_, index) => ({ to: rulesOf[kind](index).from })), { to: [{ ipBlock: { cidr: `${net.b.ips[0]}/32` } }] }]
    state.setPolicy('x/out', toNetworkPolicy(networkPolicy('x/out', { podSelector: { matchLabels: { app: 'client' } }, policyTypes: ['Egress'], egress })))
  }
  for (let index = 0; index < policies; index += 1) {
    const key = `n${index % (localPods - 1) % namespaces}/o${index}`
    state.setPolicy(key, toNetworkPolicy(networkPolicy(key, { podSelector: { matchLabels: { app: `a${index % (localPods - 1)}` } }, ingress: [{ from: [stranger] }] })))
  }
  const transaction = diffTable(undefined, state.table())
  return ({ nft }) => nft.commit(transaction)
}

/** In parts: without privileges nft cannot send all of it at once. */
function peer({ net }: Path, make: (shape: PeerShape) => readonly string[], policies: number, rules: number): Load {
  const parts = make({ client: net.a.ips[0], server: net.b.ips[0], pods: podIps(net), policies, rules })
  return () => {
    for (let at = 0; at < parts.length; at += partsAtOnce) net.node.exec('nft', ['-f', '-'], `table inet peer {\n${parts.slice(at, at + partsAtOnce).join('\n')}\n}\n`)
  }
}

async function established(path: Path): Promise<BenchCase> {
  const [none, with100] = measure(path, 'same', [nothing, ours(path, 0, 100)]) as [Rounds, Rounds]
  return judged({ name: 'policy: established flows, 100 rules on the pod', size: `${packets} packets`, ours: with100, peer: none, peer_name: 'connection tracking, no policy' }, 1 / 0.99)
}

/** A hundred rules of each kind on the server's policy, and the peers' chains for the first kind. */
async function news(path: Path): Promise<readonly BenchCase[]> {
  const kinds = Object.keys(rulesOf) as readonly RuleKind[]
  const loads = [nothing, ...kinds.map((kind) => ours(path, 0, 100, { kind })), ours(path, 0, 100, { client: true }), peer(path, kubeRouterTable, 0, 100), peer(path, calicoTable, 0, 100)]
  const [none, ...others] = measure(path, 'new', loads) as [Rounds, ...Rounds[]]
  const [bothEnds, router, calico] = others.slice(kinds.length) as [Rounds, Rounds, Rounds]
  const size = `${localPods} pods, 100 rules`
  const name = 'policy: new connections, 100 rules on the pod'
  return [
    ...kinds.map((kind, index) => judged({ name: `${name}, ${kind}`, size, ours: others[index]!, peer: none, peer_name: 'connection tracking, no policy' }, 1 / 0.9)),
    judged({ name: 'policy: new connections, 100 rules on the pods at both ends', size, ours: bothEnds, peer: none, peer_name: 'connection tracking, no policy' }, 1.25),
    judged({ name, size, ours: others[0]!, peer: router, peer_name: 'kube-router\'s chains, ipsets as nft sets' }, 0.75),
    judged({ name, size, ours: others[0]!, peer: calico, peer_name: 'Calico\'s nftables chains' }, 0.75),
    { name, size, unit: 'ns', ours: median(others[0]!), peer: undefined, peer_name: `kube-network-policies: ${hasQueue(path) ? 'not at hand' : 'the kernel has no queue in nftables (CONFIG_NFT_QUEUE)'}`, ratio: undefined, goal: 'ratio <= 1', ok: undefined },
  ]
}

/** Whether the kernel takes rules that hand packets to a program, which kube-network-policies needs. */
function hasQueue({ net }: Path): boolean {
  try {
    net.node.exec('nft', ['-f', '-'], 'table inet peer {\nchain forward {\ntype filter hook forward priority 0;\nqueue num 0\n}\n}\ndelete table inet peer\n')
    return true
  } catch {
    return false
  }
}

/** Policies that select other pods: the way of a packet does not meet them. */
async function otherPolicies(path: Path): Promise<readonly BenchCase[]> {
  const [one, ...many] = measure(path, 'new', otherCounts.map((count) => ours(path, count, 1))) as [Rounds, ...Rounds[]]
  return many.map((ns, index) => judged({ name: 'policy: new connections, policies that select other pods', size: `${otherCounts[index + 1]} policies, ${localPods} pods`, ours: ns, peer: one, peer_name: 'itself with one policy' }, 1.05))
}

/** The ratio is the median of those of the rounds. */
function judged({ ours: own, peer: other, ...base }: Pick<BenchCase, 'name' | 'size' | 'peer_name'> & { readonly ours: Rounds, readonly peer: Rounds }, atMost: number): BenchCase {
  const ratio = median(own.map((ns, round) => ns / other[round]!))
  return { ...base, ours: median(own), peer: median(other), unit: 'ns', ratio, goal: `ratio <= ${Number(atMost.toFixed(3))}`, ok: ratio <= atMost }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(`${JSON.stringify(await cases(), undefined, 2)}\n`)
