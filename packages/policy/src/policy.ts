import { type Attachment, type ClusterNetworkPolicy, clusterPolicyKey, type DomainPattern, type EndpointSlice, type Fqdn, isSamePod, logGroups, type Namespace, type NetworkPolicy, type Node, type NodeName, objectKey, type Pod, protocolNumbers, protocols, type Service, tables } from '@weft/api'
import type { IpAddress } from '@weft/ip'
import type { LoggedPacket } from '@weft/netlink'
import { allReady, type Clock, type Logger, type Readiness, Reconciler, type Registry } from '@weft/daemon'
import type { Store } from '@weft/kube'
import { countRules, diffTable, formatTable, type Nft, NftError, partsOf, type Table, type Transaction } from '@weft/nftables'
import { AttachedPods, attachmentKey } from './attached-pods.ts'
import type { PolicyConfig } from './config.ts'
import { createEvaluator } from './evaluator/index.ts'
import { type ExplainContext, explainPolicy } from './explain/explain.ts'
import type { ExplainingPolicy } from './explain/policy-answers.ts'
import { policyMatrix } from './explain/matrix.ts'
import { type Flow, type FlowMarks, JudgedFlows } from './judged-flows.ts'
import { policyMetrics } from './metrics.ts'
import type { DnsPeer } from './model.ts'
import { isDomainSet } from './names.ts'
import { PolicyError } from './policy-error.ts'
import { writePolicyLog } from './policy-log.ts'
import { countsOf, type RuleCount } from './rule-counts.ts'
import { PolicyState } from './state.ts'
import { watchDns, watchNamespace, watchPeer, watchTarget } from './watch.ts'
import { type CatchUp, WatchLag } from './watch-lag.ts'

export interface PolicyDeps {
  readonly config: PolicyConfig
  readonly nodeName: NodeName
  readonly pods: Store<Pod>
  readonly namespaces: Store<Namespace>
  readonly policies: Store<NetworkPolicy>
  /** One store a kind. */
  readonly clusterPolicies: readonly Store<ClusterNetworkPolicy>[]
  readonly nodes: Store<Node>
  readonly services: Store<Service>
  readonly slices: Store<EndpointSlice>
  /** Protect the pods the API says are on this node. Absent: those of {@link Policy.cover} and {@link Policy.adopt}. */
  readonly podsOfNode?: NodeName | undefined
  /** Close addresses of the node's podCIDRs that no pod of the API has: where nobody calls {@link Policy.cover}, a pod is known by its address only some time after it has started. */
  readonly closesRanges?: boolean | undefined
  readonly catchUp?: CatchUp | undefined
  readonly nft: Nft
  readonly flows: FlowMarks
  /** Opens the packets of a netlink log group. Absent: nothing is logged. */
  readonly packetLog?: ((options: { readonly group: number, readonly signal: AbortSignal }) => Promise<AsyncIterable<LoggedPacket | 'overrun'>>) | undefined
  /** Told once for each version of a policy of which something cannot be read: it allows less than it may mean (promise P10). */
  readonly onRefused: (policy: NetworkPolicy | ClusterNetworkPolicy, message: string) => void
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

export interface Policy extends Pick<ExplainingPolicy, 'explain' | 'matrix'> {
  /** Keeps the kernel as wanted until aborted. */
  run(signal: AbortSignal): Promise<void>
  ready(): Readiness
  /** Resolves when the kernel has the first state. */
  whenReady(signal: AbortSignal): Promise<void>
  /** The table as `nft list table inet weft-policy` prints it, with the kernel's counters. */
  dump(): string
  /** The kernel's table was edited by somebody else: compare it whole. */
  recheck(): void
  /** Objects and elements written since the start. */
  readonly writes: number
  /** Pods that were attached before this process: covered with the first state, closed if the API does not know them. Call it before {@link Policy.run}. */
  adopt(attachments: readonly Attachment[]): void
  /** Domain names that rules of pods here mean. */
  domains(): readonly DomainPattern[]
  /**
   * DNS gave addresses for a name: they are allowed where a rule means it, for their time to live and a grace (`nameGrace`). To be called for each answer that a pod here is
   * to get, before it gets it; of names that no rule means nothing is kept. The latest end of an address that was told counts.
   *
   * @param name What was asked, whatever it is an alias of.
   * @returns When the kernel has them, whoever told of them first: an answer that is held back until then never comes too early. At once where there is nothing to wait for.
   */
  learn(name: Fqdn, answers: readonly NameAnswer[], signal?: AbortSignal): Promise<void>
  /**
   * Resolves when the pod's filter is in the kernel (promise P4).
   *
   * @throws {PolicyError} `ERR_POLICY_POD_UNKNOWN` when the API has not told of the pod before the signal aborts: without
   *   its labels nobody knows which policies select it. `ERR_POLICY_BEHIND` when the pod is new and it is not sure that all policies older than it are known. `ERR_POLICY_NOT_COMMITTED` when the kernel has not taken the filter by then.
   */
  cover(attachment: Attachment, signal: AbortSignal): Promise<void>
  /** The pod's link is gone and its addresses are about to be free. */
  uncover(attachment: Attachment): Promise<void>
}

/** An address of a name, as DNS gave it. */
export interface NameAnswer {
  readonly ip: IpAddress
  readonly ttlSeconds: number
}

/** How often old addresses of names are looked for: they have had their grace already. */
const expiryMs = 1000

/** Refusals that say nothing about what was asked for. */
const passing: ReadonlySet<string> = new Set(['ENOENT', 'EEXIST', 'EBUSY', 'EAGAIN', 'EINTR', 'ENOMEM', 'ENOBUFS', 'EMSGSIZE', 'EPERM'])

const byService = 'service-for-policy'

export function createPolicy(deps: PolicyDeps): Policy {
  const { config, nodeName, pods, namespaces, policies, clusterPolicies, nodes, services, slices, podsOfNode, closesRanges = false, nft, clock, logger, registry } = deps
  const metrics = policyMetrics(registry, countRulesByThemselves)
  const state = new PolicyState({ log: deps.packetLog === undefined ? undefined : { group: logGroups.policy, perSecond: config.logRate }, closesRanges, rulesAtMost: config.maxRules, onCut: (policy, message) => tellRefused(policy, [message]) })
  const attached = new AttachedPods()
  /** Of {@link Policy.run}. */
  let running: AbortSignal | undefined
  const lag = new WatchLag({ catchUp: deps.catchUp, clock, lagMs: config.watchLag })
  /** The kernel has to be read and compared: at the start, after an error, after a foreign edit. */
  let compare = true
  let comparedAt = Number.NEGATIVE_INFINITY
  let writes = 0
  const flows = new JudgedFlows({ marks: deps.flows, clock, logger, minIntervalMs: config.flowInterval, judge: judgeFlows, onRejudged: (count) => metrics.rejudged.inc(count) })
  const reconciler = new Reconciler({ name: 'policy', clock, logger, maxIntervalMs: config.resync, reconcile })

  slices.addIndex(byService, (slice) => (slice.serviceName === '' ? [] : [`${slice.namespace}/${slice.serviceName}`]))

  async function reconcile(signal: AbortSignal): Promise<void> {
    // Until everything is known nothing is touched: what the kernel has stays in force (promise P6).
    await Promise.all([pods, namespaces, policies, ...clusterPolicies, nodes, services, slices].map((store) => store.whenSynced(signal)))
    const started = clock.now()
    const isFirst = comparedAt === Number.NEGATIVE_INFINITY
    const whole = compare || started - comparedAt >= config.resync
    const current = whole ? nft.read('inet', tables.policy) : undefined
    if (isFirst && current !== undefined) {
      adoptNames(current.table, started)
      state.adopt(current.table)
    }
    state.domains.expire(started)
    const transaction = whole ? diffTable(current, state.table()) : state.transaction()
    // Should the commit fail, only a comparison knows what the kernel has.
    compare = true
    if (!transaction.isEmpty) commit(transaction, whole)
    // An earlier process may have ended between its commit and its look at the connections.
    flows.rejudge(isFirst || (whole && !transaction.isEmpty) ? 'all' : state.affected())
    state.settle()
    compare = false
    if (whole) comparedAt = started
    tell(transaction, started)
  }

  /** What is refused of a whole table, and not because somebody else edits it just now, is refused again: the policies that brought it are closed. */
  function commit(transaction: Transaction, whole: boolean): void {
    try {
      nft.commit(transaction)
    } catch (error) {
      if (whole && error instanceof NftError && error.code === 'ERR_NFT_COMMIT_FAILED' && !passing.has(error.errno ?? '') && state.refuse(error.refused.map(({ text }) => text), error.message)) reconciler.trigger()
      throw error
    }
  }

  /** What an earlier process learnt is in the kernel only, and connections are there that need it. */
  function adoptNames({ sets }: Table, now: number): void {
    for (const { name, elements } of sets) {
      if (isDomainSet(name)) for (const { key } of elements) state.domains.adopt(name, partsOf(key)[0] as IpAddress, now + config.nameGrace)
    }
  }

  function tell(transaction: Transaction, started: number): void {
    const written = countWrites(transaction)
    metrics.policies.set(state.policies)
    metrics.selectors.set(state.selectors)
    metrics.isolatedPods.set(state.isolatedPods)
    metrics.unknownPods.set(state.unknownPods)
    if (written === 0) return
    writes += written
    metrics.writes.inc(written)
    metrics.commitSeconds.observe((clock.now() - started) / 1000)
    logger.debug({ written, policies: state.policies }, 'policies committed')
    logger.trace({ transaction: transaction.text }, 'policy transaction')
  }

  /** Reading the whole table for it is for those who asked for it. */
  function countRulesByThemselves(): readonly RuleCount[] {
    const rules = state.countedRules()
    return rules.size === 0 ? [] : countsOf(rules, nft.read('inet', tables.policy))
  }

  /** Everything a pod is to us, from what the API and this node say of it now. */
  function setPod(key: string): void {
    const pod = pods.get(key)
    if (pod === undefined) lag.forget(key)
    else if (pod.nodeName === nodeName) lag.see(pod, comparedAt === Number.NEGATIVE_INFINITY ? undefined : running)
    if (pod !== undefined) attached.see(key, pod)
    const own = attached.of(key)
    for (const { key: target, attachment, pod: known } of own) state.setTarget(target, watchTarget(attachment, known))
    const wired = pod === undefined ? [] : own.filter(({ attachment }) => isSamePod(pod, attachment.uid)).flatMap(({ attachment }) => attachment.ips)
    const peer = pod === undefined ? undefined : watchPeer(pod, wired)
    state.setPeer(key, peer)
    if (podsOfNode !== undefined) state.setTarget(`pod ${key}`, pod?.nodeName === podsOfNode && peer !== undefined ? watchTarget(pod, pod) : undefined)
  }

  /** What the model says of connections of pods here: of those that the kernel is not asked about, for nobody sends. */
  function judgeFlows(): (flow: Flow) => boolean {
    const judge = createEvaluator(cluster())
    return ({ protocol, original, reply }) => {
      const transport = protocols.find((each) => protocolNumbers[each] === protocol)
      return judge({ from: original.source, to: reply.source, protocol: transport ?? 'ICMP', port: transport === undefined ? undefined : reply.sourcePort }).allowed
    }
  }

  function setNode(name: string, node: Node | undefined): void {
    state.setNode(name, node)
    // A Node that goes takes no pods with it.
    if (closesRanges && name === nodeName && node !== undefined) state.setPodRanges(node.podCidrs)
  }

  function setPolicy(key: string, policy: NetworkPolicy): void {
    tellProblems(policy)
    state.setPolicy(key, policy)
  }

  function losePolicy(key: string, signal: AbortSignal): void {
    // Whether a namespace without pods here goes is of no account, and every node would ask.
    if (state.protects(key.slice(0, key.indexOf('/')))) lag.beforeForgetting(key, forgetPolicies, signal)
    else forgetPolicies([key])
  }

  /** Policies that are gone, unless they have come back since. */
  function forgetPolicies(keys: Iterable<string>): void {
    for (const key of keys) if (policies.get(key) === undefined) state.setPolicy(key, undefined)
    reconciler.trigger()
  }

  function setClusterPolicy(old: ClusterNetworkPolicy | undefined, policy: ClusterNetworkPolicy | undefined): void {
    tellProblems(policy)
    state.setClusterPolicy(clusterPolicyKey((policy ?? old)!), policy)
  }

  function tellProblems(policy: NetworkPolicy | ClusterNetworkPolicy | undefined): void {
    if (policy !== undefined && policy.problems.length > 0) tellRefused(policy, policy.problems)
  }

  function tellRefused(policy: NetworkPolicy | ClusterNetworkPolicy, [first, ...others]: readonly string[]): void {
    const kind = 'kind' in policy ? policy.kind : 'NetworkPolicy'
    metrics.refused.inc({ kind })
    deps.onRefused(policy, `${first}${others.length === 0 ? '' : `, and ${others.length} more`}: what is refused allows nothing`)
    logger.warn({ policy: objectKey(policy), kind, problems: [first, ...others].slice(0, 5) }, 'part of policy refused')
  }

  function dnsPeer(): DnsPeer | undefined {
    return watchDns(services.get(config.dnsService), slices.by(byService, config.dnsService), config.dnsLabels)
  }

  function setDns(): void {
    state.setDns(dnsPeer())
  }

  /** Subscribes to everything; each change edits the state at once, and the loop commits what has come together. */
  function follow(signal: AbortSignal): () => void {
    const changed = <T>(edit: (change: T) => void) => (change: T): void => {
      edit(change)
      reconciler.trigger()
    }
    const isDns = (slice: EndpointSlice | undefined): boolean => slice !== undefined && `${slice.namespace}/${slice.serviceName}` === config.dnsService
    const ends = [
      namespaces.subscribe(changed(({ key, new: now }) => {
        if (now === undefined) lag.forgetNamespace(key)
        state.setNamespace(key, now === undefined ? undefined : watchNamespace(now))
      }), { replay: true }),
      pods.subscribe(changed(({ key }) => setPod(key)), { replay: true }),
      policies.subscribe(changed(({ key, new: now }) => (now === undefined ? losePolicy(key, signal) : setPolicy(key, now))), { replay: true }),
      ...clusterPolicies.map((store) => store.subscribe(changed(({ old, new: now }) => setClusterPolicy(old, now)), { replay: true })),
      nodes.subscribe(changed(({ key, new: now }) => setNode(key, now)), { replay: true }),
      services.subscribe((change) => { if (change.key === config.dnsService) changed(setDns)(undefined) }),
      slices.subscribe(({ old, new: now }) => { if (isDns(old) || isDns(now)) changed(setDns)(undefined) }),
    ]
    setDns()
    return () => {
      for (const end of ends) end()
    }
  }

  /** What rules log; undefined where nobody can read it. */
  async function openLog(signal: AbortSignal): Promise<AsyncIterable<LoggedPacket | 'overrun'> | undefined> {
    try {
      return await deps.packetLog?.({ group: logGroups.policy, signal })
    } catch (error) {
      logger.warn({ err: error, group: logGroups.policy }, 'what policies log cannot be read')
      return undefined
    }
  }

  /** Lines with names. */
  async function writeLog(packets: AsyncIterable<LoggedPacket | 'overrun'>): Promise<void> {
    await writePolicyLog(packets, { told: (prefix) => state.told(prefix), podsAt: (ip) => state.podsAt(ip), logger, onTold: (verdict) => metrics.told.inc({ verdict }), onLost: () => metrics.lost.inc() })
  }

  /** What the policies speak of, as the API has it now. */
  function cluster(): ExplainContext['cluster'] {
    return {
      pods: [...pods.values()], namespaces: [...namespaces.values()], nodes: [...nodes.values()],
      policies: policies.values(), clusterPolicies: clusterPolicies.flatMap((store) => [...store.values()]), names: state.domains.addresses(),
      dns: dnsPeer(), closesRangesOf: closesRanges ? nodeName : undefined,
    }
  }

  /** The pod of an attachment, as soon as the API tells of it. */
  async function podOf(attachment: Attachment, signal: AbortSignal): Promise<Pod> {
    const key = objectKey(attachment)
    const known = pods.get(key)
    if (known !== undefined && isSamePod(known, attachment.uid)) return known
    const found = Promise.withResolvers<Pod>()
    const end = pods.subscribe(({ key: changed, new: pod }) => { if (changed === key && pod !== undefined && isSamePod(pod, attachment.uid)) found.resolve(pod) })
    const onAbort = (): void => found.reject(new PolicyError('ERR_POLICY_POD_UNKNOWN', `Cannot cover pod "${key}": the API server has not told of it in time, its labels are wanted`, { cause: signal.reason }))
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      return await found.promise
    } finally {
      end()
      signal.removeEventListener('abort', onAbort)
    }
  }

  async function forgetNames(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // What is learnt during a rest is believed for longer than that.
      const rest = Math.min(state.domains.believedUntil - clock.now(), config.nameGrace)
      await clock.sleep(Math.max(rest, expiryMs), { signal }).catch(() => undefined)
      if (state.domains.believedUntil <= clock.now()) reconciler.trigger()
    }
  }

  function hold(attachment: Attachment, pod: Pod | undefined): void {
    attached.set(attachment, pod)
    setPod(objectKey(attachment))
  }

  return {
    async run(signal) {
      // Before there is a rule that logs.
      const packets = await openLog(signal)
      running = signal
      const end = follow(signal)
      await Promise.all([reconciler.run(signal), flows.run(signal), forgetNames(signal), ...(packets === undefined ? [] : [writeLog(packets)])])
      end()
    },
    ready: () => allReady({ 'policies in the kernel': reconciler.ready || reconciler.fault }),
    whenReady: (signal) => reconciler.whenReady(signal),
    dump() {
      const kernel = nft.read('inet', tables.policy)
      return formatTable(kernel === undefined ? state.table() : countRules(state.table(), kernel))
    },
    explain: (question) => explainPolicy(question, { nodeName, cluster: cluster(), wanted: state.table(), kernel: nft.read('inet', tables.policy) }),
    matrix: (question) => policyMatrix(cluster(), question),
    recheck() {
      compare = true
      reconciler.trigger()
    },
    get writes() {
      return writes
    },
    domains: () => state.domains.wanted,
    async learn(name, answers, signal) {
      const now = clock.now()
      const isAwaited = answers.map(({ ip, ttlSeconds }) => state.domains.learn(name, ip, now + ttlSeconds * 1000 + config.nameGrace)).includes(true)
      if (isAwaited) await reconciler.settled(signal)
    },
    adopt(attachments) {
      for (const attachment of attachments) hold(attachment, undefined)
    },
    async cover(attachment, signal) {
      const started = clock.now()
      const pod = await podOf(attachment, signal)
      await lag.awaitOlderPolicies(pod, signal)
      hold(attachment, pods.get(objectKey(pod)) ?? pod)
      try {
        await reconciler.settled(signal)
      } catch (error) {
        throw new PolicyError('ERR_POLICY_NOT_COMMITTED', `Cannot cover pod "${objectKey(attachment)}": its filter is not in the kernel, wanted before the pod starts`, { cause: error })
      }
      metrics.coverSeconds.observe((clock.now() - started) / 1000)
    },
    async uncover(attachment) {
      if (!attached.delete(attachment)) return
      state.setTarget(attachmentKey(attachment), undefined)
      setPod(objectKey(attachment))
      await reconciler.settled()
      flows.forget(attachment.ips)
    },
  }
}

function countWrites({ operations }: Transaction): number {
  return operations.reduce((sum, operation) => sum + (operation.object === 'element' ? operation.elements.length : 1), 0)
}
