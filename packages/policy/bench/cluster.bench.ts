// Run: unshare -Urnm --propagation private node -C dev packages/policy/bench/cluster.bench.ts
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { toNetworkPolicy, toPod } from '@weft/api'
import type { BenchCase } from '@weft/daemon/bench'
import { TestNamespace } from '@weft/netlink/testing'
import { diffTable, NftSocket } from '@weft/nftables'
import { networkPolicy, pod } from '../test/cluster.ts'
import type { PolicyState } from '../src/state.ts'
import { watchPeer, watchTarget } from '../src/watch.ts'
import { clusterState, type ClusterShape, localPods, podKey } from './cluster-shape.ts'

const rounds = 100

/** A node of a large cluster: what its agent pays for the start, for a policy and for a pod. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN in a namespace of its own. */
export async function cases(): Promise<readonly BenchCase[]> {
  return [...fullSync(), await policyOnAllPods(), await podAdded(), await policiesOfOneNamespace()]
}

/** In a process of its own, for its memory. */
function fullSync(): readonly BenchCase[] {
  const output = execFileSync(process.execPath, ['-C', 'dev', join(import.meta.dirname, 'full-sync.ts')], { encoding: 'utf8' })
  const { cpuMs, addedMb, policies } = JSON.parse(output) as { readonly cpuMs: number, readonly addedMb: number, readonly policies: number }
  const common = { size: `10000 pods, ${policies} policies, ${localPods} pods here`, peer: undefined, peer_name: 'none', ratio: undefined }
  return [
    { name: 'policy: full sync, processor time', ...common, unit: 'ms', ours: cpuMs, goal: 'ours <= 2000', ok: cpuMs <= 2000 },
    // 200 MB in all, less what Node and its modules take.
    { name: 'policy: full sync, memory that the cluster adds at most', ...common, unit: 'MB', ours: addedMb, goal: 'ours <= 125', ok: addedMb <= 125 },
  ]
}

/** From the event to the commit, for a policy that selects all pods here: each has a new list of policies. */
async function policyOnAllPods(): Promise<BenchCase> {
  const times = await onNode({ pods: 10_000, policies: 1000, namespaces: 1 }, (state, commit, round) => {
    const started = performance.now()
    state.setPolicy('n0/all', toNetworkPolicy(networkPolicy('n0/all', { ingress: [{ from: [{ podSelector: { matchLabels: { app: `a${round}` } } }] }] })))
    commit()
    const ms = performance.now() - started
    state.setPolicy('n0/all', undefined)
    commit()
    return ms
  })
  return limited('policy: a policy comes and is enforced, 99th percentile', `${localPods} pods here that it selects, 10000 pods, 1000 policies`, quantile(times, 0.99), { unit: 'ms', atMost: 100 })
}

async function podAdded(): Promise<BenchCase> {
  const times = await onNode({ pods: 10_000, policies: 1000, namespaces: 50 }, (state, commit, round) => {
    const key = podKey(20_000 + round, 50)
    const found = toPod(pod(key, { ips: [`10.200.0.${round + 1}`], labels: { app: `a${round}`, tier: 't1' } }))
    const started = performance.now()
    state.setPeer(key, watchPeer(found))
    state.setTarget(key, watchTarget(found, found))
    commit()
    return performance.now() - started
  })
  return limited('policy: a pod comes, to this node', '10000 pods, 1000 policies', quantile(times, 0.5), { unit: 'ms', atMost: 2 })
}

/** What was quadratic once: all policies of one namespace, each of which selects pods here. */
async function policiesOfOneNamespace(): Promise<BenchCase> {
  const load = (policies: number): number => {
    const started = performance.now()
    clusterState({ pods: localPods, policies, namespaces: 1 }).table()
    return performance.now() - started
  }
  load(500)
  const [few, many] = [load(500), load(2000)]
  return limited('policy: growth of the first table from 500 to 2000 policies of one namespace', `${localPods} pods here`, many / few, { unit: 'times', atMost: 6 })
}

/** A node with its table in the kernel; the work of each round is timed by itself. */
async function onNode(shape: ClusterShape, work: (state: PolicyState, commit: () => void, round: number) => number): Promise<readonly number[]> {
  await using namespace = await TestNamespace.create()
  using nft = await NftSocket.open({ netns: namespace.path })
  const state = clusterState(shape)
  nft.commit(diffTable(undefined, state.table()))
  state.settle()
  const commit = (): void => {
    nft.commit(state.transaction())
    state.settle()
  }
  return Array.from({ length: rounds }, (_, round) => work(state, commit, round))
}

function quantile(times: readonly number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * part))]!
}

function limited(name: string, size: string, ours: number, { unit, atMost }: { readonly unit: string, readonly atMost: number }): BenchCase {
  return { name, size, unit, ours, peer: undefined, peer_name: 'none', ratio: undefined, goal: `ours <= ${atMost}`, ok: ours <= atMost }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(`${JSON.stringify(await cases(), undefined, 2)}\n`)
