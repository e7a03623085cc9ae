import { type Attachment, type EndpointSlice, type Namespace, type NetworkPolicy, objectKey, type Pod, type Service, tables } from '@weft/api'
import { allReady, type Clock, type Logger, type Readiness, Reconciler, type Registry } from '@weft/daemon'
import type { Store } from '@weft/kube'
import { diffTable, formatTable, type Nft, type Transaction } from '@weft/nftables'
import type { PolicyConfig } from './config.ts'
import { policyMetrics } from './metrics.ts'
import type { PolicyPod } from './model.ts'
import { PolicyError } from './policy-error.ts'
import { PolicyState } from './state.ts'
import { watchDns, watchNamespace, watchPeer } from './watch.ts'

export interface PolicyDeps {
  readonly config: PolicyConfig
  readonly pods: Store<Pod>
  readonly namespaces: Store<Namespace>
  readonly policies: Store<NetworkPolicy>
  readonly services: Store<Service>
  readonly slices: Store<EndpointSlice>
  readonly nft: Nft
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

export interface Policy {
  /** Keeps the kernel as wanted until aborted. */
  run(signal: AbortSignal): Promise<void>
  ready(): Readiness
  /** Resolves when the kernel has the first state. */
  whenReady(signal: AbortSignal): Promise<void>
  /** The table as `nft list table inet weft-policy` prints it. */
  dump(): string
  /** The kernel's table was edited by somebody else: compare it whole. */
  recheck(): void
  /** Objects and elements written since the start. */
  readonly writes: number
  /** Pods that were attached before this process: covered with the first state. Call it before {@link run}. */
  adopt(attachments: readonly Attachment[]): void
  /**
   * Resolves when the pod's filter is in the kernel (promise P4).
   *
   * @throws {PolicyError} `ERR_POLICY_POD_UNKNOWN` when the API has not told of the pod before the signal aborts: without
   *   its labels nobody knows which policies select it.
   */
  cover(attachment: Attachment, signal: AbortSignal): Promise<void>
  /** The pod's link is gone and its addresses are about to be free. */
  uncover(attachment: Attachment): Promise<void>
}

/** How often the kernel is compared as a whole although nobody told of an edit, in milliseconds. */
const resyncMs = 600_000

export function createPolicy(deps: PolicyDeps): Policy {
  const { config, pods, namespaces, policies, services, slices, nft, clock, logger, registry } = deps
  const metrics = policyMetrics(registry)
  const state = new PolicyState()
  /** By pod key; the labels they had when last seen, for a pod may leave the API before its link is gone. */
  const attached = new Map<string, { readonly attachment: Attachment, pod: Pod | undefined }>()
  let compare = true
  let comparedAt = Number.NEGATIVE_INFINITY
  let writes = 0
  const reconciler = new Reconciler({ name: 'policy', clock, logger, maxIntervalMs: resyncMs, reconcile })

  async function reconcile(signal: AbortSignal): Promise<void> {
    await Promise.all([pods, namespaces, policies, services, slices].map((store) => store.whenSynced(signal)))
    const now = clock.now()
    const whole = compare || now - comparedAt >= resyncMs
    const transaction = whole ? diffTable(nft.read('inet', tables.policy), state.table()) : state.transaction()
    // Should the commit fail, only a comparison knows what the kernel has.
    compare = true
    if (!transaction.isEmpty) nft.commit(transaction)
    state.settle()
    compare = false
    if (whole) comparedAt = now
    const written = countWrites(transaction)
    writes += written
    metrics.writes.inc(written)
    metrics.policies.set(state.policies)
    metrics.isolatedPods.set(state.isolatedPods)
    if (written > 0) logger.debug({ written, policies: state.policies }, 'policies committed')
  }

  function setTarget(key: string): void {
    const held = attached.get(key)
    const now = pods.get(key)
    if (held !== undefined && now !== undefined && isSame(now, held.attachment)) held.pod = now
    state.setTarget(key, held?.pod === undefined ? undefined : targetOf(held.pod, held.attachment))
    // The API learns a fresh pod's address after the pod has begun to talk.
    const peer = now === undefined ? undefined : watchPeer(held?.pod !== undefined && now.ips.length === 0 ? { ...now, ips: held.attachment.ips } : now)
    state.setPeer(key, peer)
  }

  function setDns(): void {
    const [namespace] = config.dnsService.split('/')
    state.setDns(watchDns(services.get(config.dnsService), [...slices.values()].filter((slice) => `${slice.namespace}/${slice.serviceName}` === config.dnsService && slice.namespace === namespace), config))
  }

  /** Subscribes to everything; each change edits the state at once, and the loop commits what has come together. */
  function follow(): () => void {
    const changed = <T>(edit: (change: T) => void) => (change: T): void => {
      edit(change)
      reconciler.trigger()
    }
    const ends = [
      namespaces.subscribe(changed(({ key, new: now }) => state.setNamespace(key, now === undefined ? undefined : watchNamespace(now))), { replay: true }),
      pods.subscribe(changed(({ key }) => setTarget(key)), { replay: true }),
      policies.subscribe(changed(({ key, new: now }) => state.setPolicy(key, now)), { replay: true }),
      services.subscribe(({ key }) => { if (key === config.dnsService) changed(setDns)(undefined) }),
      slices.subscribe(({ old, new: now }) => { if ([old, now].some((slice) => slice !== undefined && `${slice.namespace}/${slice.serviceName}` === config.dnsService)) changed(setDns)(undefined) }),
    ]
    setDns()
    return () => {
      for (const end of ends) end()
    }
  }

  /** The pod of an attachment, as soon as the API tells of it. */
  async function podOf(attachment: Attachment, signal: AbortSignal): Promise<Pod> {
    const key = objectKey(attachment)
    const known = pods.get(key)
    if (known !== undefined && isSame(known, attachment)) return known
    const found = Promise.withResolvers<Pod>()
    const end = pods.subscribe(({ new: pod }) => { if (pod !== undefined && objectKey(pod) === key && isSame(pod, attachment)) found.resolve(pod) })
    const onAbort = (): void => found.reject(new PolicyError('ERR_POLICY_POD_UNKNOWN', `Cannot cover pod "${key}": the API server has not told of it in time`, { cause: signal.reason }))
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      return await found.promise
    } finally {
      end()
      signal.removeEventListener('abort', onAbort)
    }
  }

  return {
    async run(signal) {
      const end = follow()
      await reconciler.run(signal)
      end()
    },
    ready: () => allReady({ 'policies in the kernel': reconciler.ready }),
    whenReady: (signal) => reconciler.whenReady(signal),
    dump: () => formatTable(state.table()),
    recheck() {
      compare = true
      reconciler.trigger()
    },
    get writes() {
      return writes
    },
    adopt(attachments) {
      for (const attachment of attachments) {
        attached.set(objectKey(attachment), { attachment, pod: undefined })
        setTarget(objectKey(attachment))
      }
    },
    async cover(attachment, signal) {
      const pod = await podOf(attachment, signal)
      attached.set(objectKey(attachment), { attachment, pod })
      setTarget(objectKey(attachment))
      await reconciler.settled()
    },
    async uncover(attachment) {
      const key = objectKey(attachment)
      // A pod of the same name may have been attached anew meanwhile.
      if (attached.get(key)?.attachment.containerId !== attachment.containerId) return
      attached.delete(key)
      setTarget(key)
      await reconciler.settled()
    },
  }
}

function isSame(pod: Pod, { uid }: Attachment): boolean {
  return uid === '' || pod.uid === '' || pod.uid === uid
}

function targetOf(pod: Pod, { ips }: Attachment): PolicyPod {
  return { key: objectKey(pod), namespace: pod.namespace, labels: pod.labels, ips, ports: pod.ports }
}

function countWrites({ operations }: Transaction): number {
  return operations.reduce((sum, operation) => sum + (operation.object === 'element' ? operation.elements.length : 1), 0)
}
