import type { Clock, Logger } from '@weft/daemon'
import type { KubeClient } from './client.ts'
import type { KubeMetrics } from './metrics.ts'
import type { StoredObject } from './object.ts'
import type { Resource } from './resource.ts'
import type { Store } from './store.ts'

export interface ReflectOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly metrics?: KubeMetrics | undefined
  /** Told once per refused version of an object, e.g. to record an Event on it. */
  readonly onRefused?: ((object: unknown, error: unknown) => void) | undefined
}

/** Keeps `store` equal to what the API server has of `resource`, until aborted. */
export async function reflect<T extends StoredObject>(client: KubeClient, resource: Resource<T>, store: Store<T>, options: ReflectOptions): Promise<void> {
  options.signal.throwIfAborted()
  throw new Error(`Cannot reflect "${resource.name}": being written ${typeof client} ${store.size}`)
}
