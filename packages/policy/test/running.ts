import { type Attachment, clusterPolicyKey, parseFqdn, parsePodUid, type PodUid } from '@weft/api'
import { type Clock, createRegistry, type Logger, type Registry } from '@weft/daemon'
import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { parseIp } from '@weft/ip'
import { diffTable, type Nft } from '@weft/nftables'
import { FakeNft, type Trace } from '@weft/nftables/testing'
import { type PolicyConfig, policyConfigSchema } from '../src/config.ts'
import { createPolicy, type Policy, type PolicyDeps } from '../src/policy.ts'
import type { FlowMarks } from '../src/judged-flows.ts'
import { PolicyState } from '../src/state.ts'
import { watchDns, watchNamespace, watchPeer, watchTarget } from '../src/watch.ts'
import { domainAnswers } from './arbitraries.ts'
import { type ClusterStores, nodeName, storesOf } from './cluster.ts'

export interface RunningPolicy<N extends Nft = FakeNft> extends AsyncDisposable {
  readonly policy: Policy
  readonly stores: ClusterStores
  readonly nft: N
  readonly registry: Registry
  readonly clock: ManualClock
  /** What was told of policies of which something could not be read. */
  readonly refused: readonly string[]
  readonly signal: AbortSignal
  /** Resolves when the kernel has what the stores say now. */
  settled(): Promise<void>
}

const config: PolicyConfig = policyConfigSchema.parse({})

interface RunOptions<N extends Nft> extends Partial<Pick<PolicyDeps, 'podsOfNode' | 'closesRanges' | 'catchUp'>> {
  readonly stores?: ClusterStores
  readonly nft: N
  readonly adopt?: readonly Attachment[]
  readonly flows?: FlowMarks
  readonly packetLog?: PolicyDeps['packetLog']
  readonly logger?: Logger
  /** By default one that stands still but when it is told. */
  readonly time?: Clock
}

/** The engine over a manual clock; by default the pods of `node-1` are its targets. */
export function runPolicy<N extends Nft>({ stores = storesOf(), nft, adopt = [], podsOfNode, closesRanges, catchUp, flows = { remarkMatching: () => 0 }, time, packetLog, logger = silentLogger }: RunOptions<N>): RunningPolicy<N> {
  const clock = new ManualClock()
  const registry = createRegistry()
  const refused: string[] = []
  const policy = createPolicy({ ...stores, config, nodeName, podsOfNode, closesRanges, catchUp, nft, flows, onRefused: ({ name }, message) => refused.push(`${name} ${message}`), clock: time ?? clock, packetLog, logger, registry })
  const stopping = new AbortController()
  policy.adopt(adopt)
  const running = policy.run(stopping.signal)
  return {
    policy, stores, nft, registry, clock, refused, signal: stopping.signal,
    async settled() {
      await policy.whenReady(stopping.signal)
      // Runs are asynchronous by a few microtasks only.
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    },
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await running
    },
  }
}

/** State of a cluster at rest, as the node `node-1` sees it. */
export function stateOf(objects: readonly object[], { closesRanges = false }: { readonly closesRanges?: boolean } = {}): PolicyState {
  const { pods, namespaces, policies, clusterPolicies, nodes, services, slices } = storesOf(objects)
  const state = new PolicyState({ log: undefined, closesRanges })
  if (closesRanges) state.setPodRanges(nodes.get(nodeName)!.podCidrs)
  for (const each of namespaces.values()) state.setNamespace(each.name, watchNamespace(each))
  for (const each of pods.values()) {
    const key = `${each.namespace}/${each.name}`
    const peer = watchPeer(each)
    state.setPeer(key, peer)
    if (peer !== undefined && each.nodeName === nodeName) state.setTarget(key, watchTarget(each, each))
  }
  for (const each of policies.values()) state.setPolicy(`${each.namespace}/${each.name}`, each)
  for (const each of clusterPolicies.flatMap((store) => [...store.values()])) state.setClusterPolicy(clusterPolicyKey(each), each)
  // What DNS gave, for ever: those who test that it ends say so themselves.
  for (const [name, ips] of Object.entries(domainAnswers)) for (const ip of ips) state.domains.learn(parseFqdn(name), parseIp(ip), Number.POSITIVE_INFINITY)
  for (const each of nodes.values()) state.setNode(each.name, each)
  state.setDns(watchDns(services.get(config.dnsService), [...slices.values()], config.dnsLabels))
  return state
}

/** A kernel that has the table of a state. */
export function kernelOf(state: PolicyState): FakeNft {
  const nft = new FakeNft()
  nft.commit(diffTable(undefined, state.table()))
  return nft
}

/** What becomes of a packet of one address to another. */
export function reach(nft: FakeNft, from: string, to: string, port = 80): Trace['verdict'] {
  return nft.trace({ saddr: from, daddr: to, dport: port, iif: 'weft1' }, { local: ['172.30.1.11'] }).verdict
}

export function attachment(key: string, ips: readonly string[], { uid = parsePodUid(`pod-${key}`), containerId = `c-${key}` }: { readonly uid?: PodUid, readonly containerId?: string } = {}): Attachment {
  const [namespace, name] = key.split('/') as [string, string]
  return { containerId, ifname: 'eth0', namespace, name, uid, hostIfname: 'weft0', ips: ips.map((ip) => parseIp(ip)) }
}
