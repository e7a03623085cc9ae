// Run: unshare -Urnm --propagation private node -C dev packages/policy/bench/cluster.bench.ts
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { toNetworkPolicy, toPod } from '@weft/api'
import { type BenchCase, percentile, unhinderedNow } from '@weft/daemon/bench'
import { TestNamespace } from '@weft/netlink/testing'
import { diffTable, NftSocket } from '@weft/nftables'
import { networkPolicy, pod } from '../test/cluster.ts'
import type { PolicyState } from '../src/state.ts'
import { watchPeer, watchTarget } from '../src/watch.ts'
import { clusterState, type ClusterShape, localPods, podKey } from './cluster-shape.ts'
import type { ProgramFigures } from './measure-program.ts'

const rounds = 100

/** A node of a large cluster: what its agent pays for the start, for a policy and for a pod. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN in a namespace of its own. */
export async function cases(): Promise<readonly BenchCase[]> {
  return [...fullSync(), await policyOnAllPods(), await podAdded(), await policiesOfOneNamespace()]
}

/** The program as it is shipped, from its start over an API server with all of it to the kernel. */
function fullSync(): readonly BenchCase[] {
  const output = execFileSync('unshare', ['--net', '--mount', '--propagation', 'private', process.execPath, '--conditions=dev', join(import.meta.dirname, 'measure-program.ts')], { encoding: 'utf8' })
  const { cpuMs, rss, anonymousRss, kind } = JSON.parse(output) as ProgramFigures
  const common = { size: `10000 pods, 2000 policies, ${localPods} pods here, ${kind}`, peer: undefined, peer_name: 'none', ratio: undefined }
  return [
    { name: 'policy: full sync, processor time of the program from its start', ...common, unit: 'ms', ours: cpuMs, goal: 'ours <= 2000', ok: cpuMs <= 2000 },
    { name: 'policy: full sync, resident memory of the program', ...common, unit: 'MB', ours: rss, goal: 'ours <= 200', ok: rss <= 200 },
    { name: 'policy: full sync, anonymous part of it', ...common, unit: 'MB', ours: anonymousRss, goal: 'none', ok: true },
  ]
}

/** From the event to the commit, for a policy that selects all pods here: each has a new list of policies. */
async function policyOnAllPods(): Promise<BenchCase> {
  const times = await onNode({ pods: 10_000, policies: 1000, namespaces: 1 }, (state, commit, round) => {
    const started = unhinderedNow()
    state.setPolicy('n0/all', toNetworkPolicy(networkPolicy('n0/all', { ingress: [{ from: [{ podSelector: { matchLabels: { app: `a${round}` } } }] }] })))
    commit()
    const ms = unhinderedNow() - started
    state.setPolicy('n0/all', undefined)
    commit()
    return ms
  })
  return limited('policy: a policy comes and is enforced, 99th percentile', `${localPods} pods here that it selects, 10000 pods, 1000 policies`, percentile(times, 99), { unit: 'ms', atMost: 100 })
}

async function podAdded(): Promise<BenchCase> {
  const times = await onNode({ pods: 10_000, policies: 1000, namespaces: 50 }, (state, commit, round) => {
    const key = podKey(20_000 + round, 50)
    const found = toPod(pod(key, { ips: [`10.200.0.${round + 1}`], labels: { app: `a${round}`, tier: 't1' } }))
    const started = unhinderedNow()
    state.setPeer(key, watchPeer(found))
    state.setTarget(key, watchTarget(found, found))
    commit()
    return unhinderedNow() - started
  })
  return limited('policy: a pod comes, to this node', '10000 pods, 1000 policies', percentile(times, 50), { unit: 'ms', atMost: 2 })
}

/** What was quadratic once: all policies of one namespace, each of which selects pods here. */
async function policiesOfOneNamespace(): Promise<BenchCase> {
  const load = (policies: number): number => {
    const started = unhinderedNow()
    clusterState({ pods: localPods, policies, namespaces: 1 }).table()
    return unhinderedNow() - started
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

function limited(name: string, size: string, ours: number, { unit, atMost }: { readonly unit: string, readonly atMost: number }): BenchCase {
  return { name, size, unit, ours, peer: undefined, peer_name: 'none', ratio: undefined, goal: `ours <= ${atMost}`, ok: ours <= atMost }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(`${JSON.stringify(await cases(), undefined, 2)}\n`)
