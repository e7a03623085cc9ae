import type { Clock, Logger, Registry } from '@weft/daemon'
import type { KubeClient } from './client.ts'
import { targetOf } from './event.ts'
import type { EventRecorder } from './event-recorder.ts'
import { createKubeMetrics, type KubeMetrics } from './metrics.ts'
import type { StoredObject } from './object.ts'
import { reflect } from './reflect.ts'
import type { Resource } from './resource.ts'
import { Store } from './store.ts'

export interface InformersOptions {
  readonly client: KubeClient
  /** Tells the owner of a refused object, on the object itself. */
  readonly recorder: Pick<EventRecorder, 'record'>
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

/**
 * The stores of one program, each kept equal to what the API server has of its kind. An object that cannot be used is refused by
 * itself, with an Event on it (promise P10 of the design). What client-go calls a SharedInformerFactory.
 */
export class Informers {
  readonly #options: InformersOptions
  readonly #metrics: KubeMetrics
  readonly #stores: { readonly trouble: string | undefined }[] = []
  readonly #loops: ((signal: AbortSignal) => Promise<void>)[] = []

  constructor(options: InformersOptions) {
    this.#options = options
    this.#metrics = createKubeMetrics(options.registry)
  }

  /** A store that is filled once {@link run} does. */
  keep<T extends StoredObject>(resource: Resource<T>): Store<T> {
    const { client, recorder, clock, logger } = this.#options
    const store = new Store<T>()
    this.#stores.push(store)
    this.#loops.push((signal) => reflect(client, resource, store, { clock, logger, signal, metrics: this.#metrics, onRefused: eventOnRefused(recorder, resource) }))
    return store
  }

  /** What keeps stores from following the API server, each reason once. */
  troubles(): readonly string[] {
    return [...new Set(this.#stores.flatMap(({ trouble }) => trouble ?? []))]
  }

  /** Keeps all of them until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop(signal)))
  }
}

/** Records an Event on objects of a kind that cannot be used. */
export function eventOnRefused(recorder: Pick<EventRecorder, 'record'>, kind: Pick<Resource<StoredObject>, 'kind' | 'apiVersion'>): (object: unknown, error: unknown) => void {
  return (object, error) => recorder.record(targetOf(object, kind), 'Warning', { reason: 'Refused', message: error instanceof Error ? error.message : String(error) })
}
