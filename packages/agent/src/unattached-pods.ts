import { type Attachment, isSamePod, type NodeName, objectKey, type Pod, podResource } from '@weft/api'
import type { Clock } from '@weft/daemon'
import type { EventRecorder, Store } from '@weft/kube'

interface UnattachedPodsOptions {
  readonly nodeName: NodeName
  readonly pods: Store<Pod>
  readonly attachments: () => readonly Attachment[]
  /** Whether attachments are all that there are: what runtimes wanted while no agent ran is carried out. */
  readonly isKnown: () => boolean
  readonly recorder: Pick<EventRecorder, 'record'>
  readonly clock: Clock
}

const lookMs = 5000
/** A runtime that makes a pod's sandbox anew takes the attachment away first; then the pod has the old addresses for a moment. */
const graceMs = 10_000
/** Names in one sentence. */
const maxNames = 5

/** Index of pods: those of this node that have addresses of a pod. */
const addressed = 'addressed'

/**
 * Finds pods of this node that have addresses which Weft did not give: they ran before it was installed, alone or under another network. Nothing repairs
 * them, for only a runtime that starts a pod asks for a network; whoever made them can (DESIGN.md A8).
 */
export class UnattachedPods {
  readonly #options: UnattachedPodsOptions
  /** When each was first seen without an attachment, by uid. */
  readonly #firstSeen = new Map<string, number>()
  #found: readonly Pod[] = []

  constructor(options: UnattachedPodsOptions) {
    this.#options = options
    options.pods.addIndex(addressed, (pod) => (pod.nodeName === options.nodeName && !pod.hostNetwork && !pod.finished && !pod.deleting && pod.ips.length > 0 ? [addressed] : []))
  }

  /** How many there are, and what to do about them; undefined when there is none. */
  get notice(): string | undefined {
    if (this.#found.length === 0) return undefined
    const names = this.#found.slice(0, maxNames).map(objectKey)
    const more = this.#found.length - names.length
    return `${this.#found.length} that were here before it have no network: ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}; delete them, and those that take their place have one (\`kubectl -n NAMESPACE delete pod NAME\`)`
  }

  /** Looks until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { isKnown, clock } = this.#options
    while (!signal.aborted) {
      if (isKnown()) this.#look()
      await clock.sleep(lookMs, { signal }).catch(() => undefined)
    }
  }

  #look(): void {
    const { pods, recorder, clock } = this.#options
    const now = clock.now()
    const attached = Map.groupBy(this.#options.attachments(), objectKey)
    const without = pods.by(addressed, addressed).filter((pod) => attached.get(objectKey(pod))?.some(({ uid }) => isSamePod(pod, uid)) !== true)
    const uids = new Set<string>(without.map(({ uid }) => uid))
    for (const uid of this.#firstSeen.keys()) if (!uids.has(uid)) this.#firstSeen.delete(uid)
    for (const { uid } of without) if (!this.#firstSeen.has(uid)) this.#firstSeen.set(uid, now)
    const known = new Set<string>(this.#found.map(({ uid }) => uid))
    this.#found = without.filter(({ uid }) => now - this.#firstSeen.get(uid)! >= graceMs).toSorted((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1))
    for (const pod of this.#found) {
      if (known.has(pod.uid)) continue
      const { kind, apiVersion } = podResource
      recorder.record({ kind, apiVersion, namespace: pod.namespace, name: pod.name, uid: pod.uid }, 'Warning', {
        reason: 'NotAttached',
        message: `Weft did not attach this pod, which ran before it: it has no network; delete it (\`kubectl -n ${pod.namespace} delete pod ${pod.name}\`), and the one that takes its place has one`,
      })
    }
  }
}
