import { objectKey, type Pod } from '@weft/api'
import type { Clock } from '@weft/daemon'
import { compareResourceVersions } from '@weft/kube'
import { PolicyError } from './policy-error.ts'

/** Resolves when the stores have all policies about a namespace, and its labels, as the API server has them now, to the version that it has; rejects when that cannot be told. */
export type CatchUp = (namespace: string, signal: AbortSignal) => Promise<string>

interface WatchLagDeps {
  /** Absent: nobody asks, and what the watches have told so far is believed to be all. */
  readonly catchUp: CatchUp | undefined
  readonly clock: Clock
  /** How far a watch may be behind another, in milliseconds. */
  readonly lagMs: number
}

/** How soon after a question about a namespace the next may follow, in milliseconds. A pod takes longer to start. */
const gatherMs = 100

/** Watches of different kinds do not wait for each other: what one of them has not told yet is asked for, where it would open a pod. */
export class WatchLag {
  readonly #deps: WatchLagDeps
  /** When the API first told of each pod of this node, and which version, by key. */
  readonly #firstSeen = new Map<string, { readonly uid: string, readonly at: number, readonly version: string }>()
  /** The last answer about each namespace: to which version what is known of its policies is complete. */
  readonly #answers = new Map<string, Promise<string>>()
  /** When each namespace was asked about last. */
  readonly #askedAt = new Map<string, number>()
  /** Keys of policies that are gone, by namespace, while it is asked whether that goes too. */
  readonly #going = new Map<string, Set<string>>()

  constructor(deps: WatchLagDeps) {
    this.#deps = deps
  }

  /**
   * A pod of this node has come or changed. What its start will wait for is asked for now: until its runtime calls, the answer is here.
   *
   * @param signal Absent: it is there since before this process, and will not start.
   */
  see(pod: Pod, signal: AbortSignal | undefined): void {
    const key = objectKey(pod)
    if (this.#firstSeen.get(key)?.uid === pod.uid) return
    this.#firstSeen.set(key, { uid: pod.uid, at: this.#deps.clock.now(), version: pod.resourceVersion })
    if (signal !== undefined && pod.ips.length === 0 && !pod.hostNetwork) void this.#ask(pod, signal).catch(() => undefined)
  }

  forget(key: string): void {
    this.#firstSeen.delete(key)
  }

  /** Nothing is known of a namespace that is gone. */
  forgetNamespace(namespace: string): void {
    this.#answers.delete(namespace)
    this.#askedAt.delete(namespace)
  }

  /**
   * Resolves when the policies that are older than a pod are known. Pods that come together ask once for each namespace.
   *
   * @throws {PolicyError} `ERR_POLICY_BEHIND`.
   */
  async awaitOlderPolicies(pod: Pod, signal: AbortSignal): Promise<void> {
    try {
      await this.#ask(pod, signal)
    } catch (error) {
      throw new PolicyError('ERR_POLICY_BEHIND', `Cannot cover pod "${objectKey(pod)}": it is not sure that all policies older than it are known, wanted an answer of the API server`, { cause: error })
    }
  }

  /** Later versions of a pod are none of who created it: the first that was seen here decides what is older. */
  async #ask(pod: Pod, signal: AbortSignal): Promise<void> {
    const { catchUp, clock, lagMs } = this.#deps
    const seen = this.#firstSeen.get(objectKey(pod))
    const version = seen?.version ?? pod.resourceVersion
    if (catchUp === undefined || version === '' || (seen !== undefined && clock.now() - seen.at >= lagMs)) return
    for (let last: Promise<string> | undefined, next = this.#answers.get(pod.namespace); next !== last; next = this.#answers.get(pod.namespace)) {
      last = next
      const known = await last?.catch(() => undefined)
      if (known !== undefined && [0, 1].includes(compareResourceVersions(known, version) ?? -1)) return
      // Somebody else may have asked anew meanwhile.
    }
    const asked = this.#gathered(catchUp, pod.namespace, signal)
    this.#answers.set(pod.namespace, asked)
    await asked
  }

  /** A pod alone is asked for at once. Where many come, the first question after a while does for all that came meanwhile: each is five requests. */
  async #gathered(catchUp: CatchUp, namespace: string, signal: AbortSignal): Promise<string> {
    const { clock } = this.#deps
    const wait = (this.#askedAt.get(namespace) ?? Number.NEGATIVE_INFINITY) + gatherMs - clock.now()
    if (wait > 0) await clock.sleep(wait, { signal })
    this.#askedAt.set(namespace, clock.now())
    return await catchUp(namespace, signal)
  }

  /**
   * Of a namespace that goes its policies may go before its pods, and the watch of policies may be the first to tell (CVE-2024-7598).
   *
   * @param key Of a policy that is gone.
   * @param forget Called when it is known whether its namespace goes too, or nobody can tell.
   */
  beforeForgetting(key: string, forget: (keys: Iterable<string>) => void, signal: AbortSignal): void {
    const { catchUp } = this.#deps
    if (catchUp === undefined) {
      forget([key])
      return
    }
    const namespace = key.slice(0, key.indexOf('/'))
    const others = this.#going.get(namespace)
    if (others !== undefined) {
      others.add(key)
      return
    }
    const keys = new Set([key])
    this.#going.set(namespace, keys)
    void catchUp(namespace, signal).catch(() => undefined).then(() => {
      this.#going.delete(namespace)
      forget(keys)
    })
  }
}
