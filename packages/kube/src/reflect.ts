import type { Clock, Logger } from '@weft/daemon'
import type { KubeClient } from './client.ts'
import type { KubeMetrics } from './metrics.ts'
import type { StoredObject } from './object.ts'
import { Reflector } from './reflector.ts'
import type { Resource } from './resource.ts'
import type { Store } from './store.ts'

export interface ReflectOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly metrics?: KubeMetrics | undefined
  /** Told once per refused version of an object, e.g. to record an Event on it. */
  readonly onRefused?: ((object: unknown, error: unknown) => void) | undefined
  /** Random numbers in [0, 1) for jitter. @default Math.random */
  readonly rng?: (() => number) | undefined
  /**
   * How long a list that would leave nothing (or take ten objects or more and more than half of
   * them) is doubted before a second one may confirm it.
   *
   * @default 10000
   */
  readonly confirmMs?: number | undefined
  /** Objects per list page. @default 500 */
  readonly pageSize?: number | undefined
  /** False asks for pages even where the server would stream the initial set. @default true */
  readonly watchList?: boolean | undefined
}

/**
 * Keeps `store` equal to what the API server has of `resource`, until aborted; never throws
 * before. Outages, restarts and compactions of the server leave the last known state in place;
 * when it is back only differences are told (LIFE-5). See DESIGN.md for what else is promised.
 */
export async function reflect<T extends StoredObject>(client: KubeClient, resource: Resource<T>, store: Store<T>, options: ReflectOptions): Promise<void> {
  await new Reflector(client, resource, store, options).run()
}
