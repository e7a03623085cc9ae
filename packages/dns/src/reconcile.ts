import { type Clock, type Logger, Reconciler } from '@weft/daemon'
import { formatIp, type IpAddress } from '@weft/ip'
import { scheduler } from 'node:timers/promises'
import type { ModelChange } from './model.ts'
import { addressesOfPod, type DnsStores, serviceFromStores, watchStores } from './watch.ts'
import type { LiveZone } from './zone/live-zone.ts'

export interface ZoneReconcilerDeps {
  readonly stores: DnsStores
  readonly zone: LiveZone
  readonly clock: Clock
  readonly logger: Logger
  /** Told each step that changed the zone, e.g. to pass it to other threads. */
  readonly onChange?: ((change: ModelChange, serial: number) => void) | undefined
  /** Told when the zone holds everything the stores had first. */
  readonly onSynced?: (() => void) | undefined
  /** Told how long a change lay here before it was in the zone, milliseconds. */
  readonly onLag?: ((ms: number) => void) | undefined
  /** Told once per reason why a Service has no place in the zone. */
  readonly onRefused?: ((key: string, error: Error) => void) | undefined
}

/** How long changes may keep questions waiting at a time, milliseconds. */
const turnMs = 5

/**
 * Keeps a zone in step with the stores: notes what may have changed, and changes that much. Many changes of one Service
 * in a burst make one step.
 */
export class ZoneReconciler {
  readonly #deps: ZoneReconcilerDeps
  readonly #loop: Reconciler
  /** What to look at again, and since when: `service <key>`, `namespace <name>`, `pod <namespace> <address>`. */
  readonly #dirty = new Map<string, { readonly sinceMs: number, readonly step: () => ModelChange }>()
  readonly #podIndex = 'dns-address'
  #steps = 0

  constructor(deps: ZoneReconcilerDeps) {
    this.#deps = deps
    const { clock, logger } = deps
    this.#loop = new Reconciler({ name: 'dns-zone', reconcile: async () => await this.#drain(), clock, logger })
  }

  /** Steps that changed the zone so far; a second look at the same stores adds none (P11). */
  get steps(): number {
    return this.#steps
  }

  /** Resolves when everything known at this moment is in the zone. */
  async settled(): Promise<void> {
    await this.#loop.settled()
  }

  /** Runs until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { stores, zone } = this.#deps
    stores.pods?.addIndex(this.#podIndex, (pod) => addressesOfPod(pod).map((address) => podKey(pod.namespace, address)))
    const end = watchStores(stores, {
      service: (key) => this.#note(`service ${key}`, () => ({ kind: 'service', key, service: serviceFromStores(stores, key) })),
      pod: (namespace, address) => this.#note(`pod ${podKey(namespace, address)}`, () => ({ kind: 'pod', namespace, address, present: (stores.pods?.by(this.#podIndex, podKey(namespace, address)).length ?? 0) > 0 })),
      change: (change) => this.#note(change.kind === 'namespace' ? `namespace ${change.name}` : change.kind, () => change),
    })
    const synced = async (): Promise<void> => {
      try {
        await Promise.all([stores.services, stores.endpointSlices, stores.namespaces, stores.pods].map(async (store) => await store?.whenSynced(signal)))
        await this.#loop.settled()
      } catch {
        // Aborted before.
        return
      }
      zone.markSynced()
      this.#deps.onSynced?.()
    }
    try {
      void synced()
      await this.#loop.run(signal)
    } finally {
      end()
    }
  }

  #note(what: string, step: () => ModelChange): void {
    const known = this.#dirty.get(what)
    this.#dirty.set(what, { sinceMs: known?.sinceMs ?? this.#deps.clock.now(), step })
    this.#loop.trigger()
  }

  async #drain(): Promise<void> {
    const { clock, logger, onChange, onLag, onRefused, zone } = this.#deps
    let turnEndsMs = clock.now() + turnMs
    for (const [what, { sinceMs, step }] of this.#dirty) {
      this.#dirty.delete(what)
      const change = step()
      const serial = Math.floor(clock.wallTime().getTime() / 1000)
      const wasRefused = change.kind === 'service' ? zone.refused.get(change.key) : undefined
      if (zone.apply(change, serial)) {
        this.#steps += 1
        onChange?.(change, serial)
        onLag?.(clock.now() - sinceMs)
      }
      const refused = change.kind === 'service' ? zone.refused.get(change.key) : undefined
      if (change.kind === 'service' && refused !== undefined && refused.message !== wasRefused?.message) {
        logger.warn({ err: refused, service: change.key }, 'service refused')
        onRefused?.(change.key, refused)
      }
      if (clock.now() < turnEndsMs) continue
      await scheduler.yield()
      turnEndsMs = clock.now() + turnMs
    }
  }
}

function podKey(namespace: string, address: IpAddress): string {
  return `${namespace} ${formatIp(address)}`
}
