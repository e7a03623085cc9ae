// Run: unshare -Urnm --propagation private node -C dev packages/policy/bench/policy.bench.ts
import { pathToFileURL } from 'node:url'
import { type NetworkPolicy, toNetworkPolicy, toPod } from '@weft/api'
import { type BenchCase, interleave, median, unhinderedNow } from '@weft/daemon/bench'
import { hasPrograms, TestNamespace } from '@weft/netlink/testing'
import { diffTable, formatTable, NftSocket, type Table } from '@weft/nftables'
import { networkPolicy, pod } from '../test/cluster.ts'
import { PolicyState } from '../src/state.ts'
import { watchPeer, watchTarget } from '../src/watch.ts'

const selectors = 100
const localPods = 100
const rounds = 5

/** Cost of a change at growing sizes, and of the first load. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN in a namespace of its own. */
export async function cases(): Promise<readonly BenchCase[]> {
  const events: BenchCase[] = []
  for (const size of [localPods, 1000, 10_000]) events.push(await podEvent(size))
  const [smallest, largest] = [events[0]!, events.at(-1)!]
  const growth = largest.ours / smallest.ours
  return [
    ...events,
    { name: 'policy: growth of one pod event from 100 to 10000 pods', size: `${selectors} selectors`, unit: 'times', ours: growth, peer: undefined, peer_name: 'itself at 100 pods', ratio: undefined, goal: 'ours <= 2', ok: growth <= 2 },
    await firstLoad(10_000),
    ...await policyEvents(10_000),
  ]
}

const ipOf = (index: number): string => `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`

/** Each policy admits the pods of one label value from anywhere; a tenth of all pods match each. */
function policyOf(index: number): NetworkPolicy {
  return toNetworkPolicy(networkPolicy(`x/p${index}`, {
    podSelector: { matchLabels: { app: `app-${index % localPods}` } },
    ingress: [{ from: [{ podSelector: { matchExpressions: [{ key: 'group', operator: 'In', values: [`g${index % 10}`, `only-${index}`] }] } }], ports: [{ port: 80 }] }],
  }))
}

function peerOf(index: number, group = index % 10): ReturnType<typeof toPod> {
  return toPod(pod(`x/pod-${index}`, { ips: [ipOf(index)], labels: { app: `app-${index}`, group: `g${group}` }, node: index < localPods ? 'node-1' : 'node-2' }))
}

function stateOf(pods: number): PolicyState {
  const state = new PolicyState()
  state.setNamespace('x', { labels: {}, deleting: false })
  for (let index = 0; index < selectors; index += 1) state.setPolicy(`x/p${index}`, policyOf(index))
  for (let index = 0; index < pods; index += 1) {
    const found = peerOf(index)
    state.setPeer(`x/pod-${index}`, watchPeer(found))
    if (index < localPods) state.setTarget(`x/pod-${index}`, watchTarget(found, found))
  }
  return state
}

/** A pod's label changes: it leaves ten sets and enters ten others, in the kernel. */
async function podEvent(size: number): Promise<BenchCase> {
  await using namespace = await TestNamespace.create()
  using nft = await NftSocket.open({ netns: namespace.path })
  const state = stateOf(size)
  nft.commit(diffTable(undefined, state.table()))
  state.settle()
  const change = (commit: (transaction: ReturnType<PolicyState['transaction']>) => void): number => {
    const started = unhinderedNow()
    for (const group of [8, 7]) {
      state.setPeer('x/pod-7', watchPeer(peerOf(7, group)))
      commit(state.transaction())
      state.settle()
    }
    return (unhinderedNow() - started) * 500
  }
  const byKernel = (): number => median(Array.from({ length: 40 }, () => change((transaction) => nft.commit(transaction))))
  // The compiler of V8 has met the path.
  byKernel()
  const hasPeer = hasPrograms('nft')
  const figures = hasPeer
    ? await interleave({ rounds, ours: byKernel, peer: () => change((transaction) => void namespace.exec('nft', ['-f', '-'], transaction.text)) })
    : { ours: median(Array.from({ length: rounds }, byKernel)), peer: undefined }
  return judged({ name: 'policy: one pod event, committed', size: `${size} pods, ${selectors} selectors`, unit: 'us', ...figures, peer_name: hasPeer ? 'nft -f of the same changes (fork, with nsenter)' : 'nft is not installed' }, 0.2)
}

/** All objects to a table in the kernel. */
async function firstLoad(size: number): Promise<BenchCase> {
  const load = async (commit: (namespace: TestNamespace, nft: NftSocket, table: Table) => void): Promise<number> => {
    await using namespace = await TestNamespace.create()
    using nft = await NftSocket.open({ netns: namespace.path })
    const started = unhinderedNow()
    commit(namespace, nft, stateOf(size).table())
    return unhinderedNow() - started
  }
  const ours = (): Promise<number> => load((_namespace, nft, table) => nft.commit(diffTable(undefined, table)))
  // nft sends one message: without privileges a buffer of 212 kB is too small for it, and it fails.
  const withoutPeer = async (): Promise<{ readonly ours: number, readonly peer: undefined }> => ({ ours: median([await ours(), await ours(), await ours()]), peer: undefined })
  const hasPeer = hasPrograms('nft')
  const figures = hasPeer
    ? await interleave({ rounds: 3, ours, peer: () => load((namespace, _nft, table) => void namespace.exec('nft', ['-f', '-'], formatTable(table))) }).catch(withoutPeer)
    : await withoutPeer()
  return judged({ name: 'policy: first load', size: `${size} pods, ${selectors} selectors`, unit: 'ms', ...figures, peer_name: figures.peer !== undefined ? 'the same table through nft -f' : hasPeer ? 'nft -f: "Message too long" without privileges' : 'nft is not installed' }, 1)
}

/** A policy comes, with a selector nobody had, or with one that is there. */
async function policyEvents(size: number): Promise<readonly BenchCase[]> {
  await using namespace = await TestNamespace.create()
  using nft = await NftSocket.open({ netns: namespace.path })
  const state = stateOf(size)
  nft.commit(diffTable(undefined, state.table()))
  state.settle()
  const come = (source: NetworkPolicy): number => {
    const started = unhinderedNow()
    state.setPolicy('x/new', source)
    nft.commit(state.transaction())
    state.settle()
    const ms = unhinderedNow() - started
    state.setPolicy('x/new', undefined)
    nft.commit(state.transaction())
    state.settle()
    return ms
  }
  const times = (source: NetworkPolicy): number => median(Array.from({ length: 9 }, () => come(source)))
  const known = { ...policyOf(3), name: 'new' }
  const fresh = toNetworkPolicy(networkPolicy('x/new', { podSelector: { matchLabels: { app: 'app-3' } }, ingress: [{ from: [{ podSelector: { matchLabels: { group: 'g3' } } }] }] }))
  const common = { size: `${size} pods, ${selectors} selectors`, unit: 'ms', peer: undefined, peer_name: 'none', ratio: undefined }
  const [knownMs, freshMs] = [times(known), times(fresh)]
  return [
    { name: 'policy: a policy comes, its selector is known', ...common, ours: knownMs, goal: 'ours <= 2', ok: knownMs <= 2 },
    { name: 'policy: a policy comes, its selector is new', ...common, ours: freshMs, goal: 'ours <= 50', ok: freshMs <= 50 },
  ]
}

function judged(base: Omit<BenchCase, 'ratio' | 'goal' | 'ok'>, atMost: number): BenchCase {
  const ratio = base.peer === undefined ? undefined : base.ours / base.peer
  return { ...base, ratio, goal: `ratio <= ${atMost}`, ok: ratio === undefined ? undefined : ratio <= atMost }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(`${JSON.stringify(await cases(), undefined, 2)}\n`)
