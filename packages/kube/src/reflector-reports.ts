import type { FoldReports } from './fold.ts'
import { isGone, isKubeError } from './errors.ts'
import { identityOf, keyOf, type StoredObject } from './object.ts'
import type { ReflectOptions } from './reflect.ts'
import type { Resource } from './resource.ts'
import type { Store } from './store.ts'
import { troubleOf } from './trouble.ts'

/** What a reflector says about itself: one log line per change of state, metrics for the rest. */
export class ReflectorReports<T extends StoredObject> implements FoldReports {
  readonly #name: string
  readonly #store: Store<T>
  readonly #options: ReflectOptions
  /** The failure last told, so that repeating it is silent; undefined while all is well. */
  #failure: string | undefined

  constructor(resource: Resource<T>, store: Store<T>, options: ReflectOptions) {
    this.#name = resource.name
    this.#store = store
    this.#options = options
    options.metrics?.synced.set({ resource: this.#name }, store.hasSynced ? 1 : 0)
    options.metrics?.connected.set({ resource: this.#name }, 0)
  }

  connected(): void {
    this.#options.metrics?.connected.set({ resource: this.#name }, 1)
    if (this.#failure === undefined) return
    this.#failure = undefined
    this.#store.trouble = undefined
    this.#options.logger.info({ resource: this.#name, objects: this.#store.size }, 'following the API server again')
  }

  disconnected(): void {
    this.#options.metrics?.connected.set({ resource: this.#name }, 0)
  }

  failed(error: unknown): void {
    const reason = isKubeError(error) ? (error.reason === '' ? error.code : error.reason) : 'Unknown'
    this.#options.metrics?.faults.inc({ resource: this.#name, reason })
    const fields = { resource: this.#name, reason, err: error, objects: this.#store.size }
    // A server forgets old history as a matter of routine.
    if (isGone(error)) return this.#options.logger.debug(fields, 'API server forgot our position, taking a complete set')
    this.disconnected()
    this.#store.trouble = troubleOf(this.#name, error)
    if (this.#failure === reason) this.#options.logger.debug(fields, 'API server still does not serve us')
    else this.#options.logger.warn(fields, this.#store.hasSynced ? 'lost the API server, keeping the last known state' : 'cannot reach the API server yet')
    this.#failure = reason
  }

  took(type: string, refused: number): void {
    this.#options.metrics?.events.inc({ resource: this.#name, type })
    this.#count(refused)
    if (this.#failure !== undefined) this.connected()
  }

  relisted(reason: string, refused: number): void {
    this.#options.metrics?.relists.inc({ resource: this.#name, reason })
    this.#options.metrics?.synced.set({ resource: this.#name }, 1)
    this.#count(refused)
    this.connected()
    this.#options.logger.debug({ resource: this.#name, reason, objects: this.#store.size }, 'took a complete set')
  }

  doubted(removals: number): void {
    this.#options.metrics?.faults.inc({ resource: this.#name, reason: 'Doubtful' })
    this.#options.logger.warn({ resource: this.#name, removals, objects: this.#store.size }, 'API server lost most objects at once, keeping them until it says so twice')
  }

  refused(object: unknown, error: unknown): void {
    this.#options.metrics?.refusals.inc({ resource: this.#name })
    this.#options.logger.warn({ resource: this.#name, object: nameOf(object), err: error }, 'refused object')
    try {
      this.#options.onRefused?.(object, error)
    } catch (fault) {
      this.#options.logger.error({ resource: this.#name, err: fault }, 'cannot report refused object')
    }
  }

  listenerFailed(error: unknown): void {
    this.#options.metrics?.faults.inc({ resource: this.#name, reason: 'Listener' })
    this.#options.logger.error({ resource: this.#name, err: error }, 'a listener of the store threw')
  }

  #count(refused: number): void {
    this.#options.metrics?.objects.set({ resource: this.#name }, this.#store.size)
    this.#options.metrics?.refused.set({ resource: this.#name }, refused)
  }
}

function nameOf(object: unknown): string {
  try {
    return keyOf(identityOf(object))
  } catch {
    return 'unnamed'
  }
}
