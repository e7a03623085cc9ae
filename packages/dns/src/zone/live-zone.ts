import { isDeepStrictEqual } from 'node:util'
import type { Zone, ZoneOptions } from '../compile.ts'
import type { ModelChange } from '../model.ts'
import type { Answer } from './answer.ts'
import { NegativeAnswers } from './negative-answer.ts'
import type { NodeRecords } from './node-records.ts'
import { PointerTable } from './pointer-table.ts'
import { type AddressKey, addressKey } from './reverse-name.ts'
import { compileService, type ServiceZone } from './service-zone.ts'
import { soaOf } from './soa.ts'

/** One Service in the zone that answers, with the bytes of answers already asked for. */
export interface LiveService {
  readonly zone: ServiceZone
  /** By the records of a name: its answers by type, once any was asked for. They go when the Service is replaced. */
  answers: Map<NodeRecords, Map<number, Answer>> | undefined
}

/**
 * The zone that answers questions, changed one step at a time.
 *
 * Promises (DESIGN.md D2-D5): after any sequence of changes `value()` is what `compile` makes of the model they lead
 * to; a change costs what its Service costs; one that changes nothing is not counted and leaves the serial alone; until
 * `markSynced` nothing is denied.
 */
export class LiveZone {
  readonly options: ZoneOptions
  readonly pointers: PointerTable = new PointerTable()
  readonly #byLabels = new Map<string, LiveService>()
  readonly #byKey = new Map<string, LiveService>()
  readonly #namespaces = new Map<string, string>()
  readonly #pods = new Map<string, Set<AddressKey>>()
  readonly #refused = new Map<string, Error>()
  #negative: NegativeAnswers
  #serial: number
  #synced = false

  constructor(options: ZoneOptions, serial = 0) {
    this.options = options
    this.#serial = serial
    this.#negative = new NegativeAnswers(soaOf(options, serial))
  }

  get serial(): number {
    return this.#serial
  }

  get negative(): NegativeAnswers {
    return this.#negative
  }

  /** False while part of the cluster may still be unknown: what is not found is not known not to exist. */
  get synced(): boolean {
    return this.#synced
  }

  get serviceCount(): number {
    return this.#byKey.size
  }

  /** Services that have no place in the zone, by `namespace/name`. */
  get refused(): ReadonlyMap<string, Error> {
    return this.#refused
  }

  markSynced(): void {
    this.#synced = true
  }

  /** @param labels Wire labels `<service>.<namespace>` in lower case. */
  service(labels: string): LiveService | undefined {
    return this.#byLabels.get(labels)
  }

  /** @param key `namespace/name`. */
  serviceByKey(key: string): LiveService | undefined {
    return this.#byKey.get(key)
  }

  hasNamespace(name: string): boolean {
    return this.#namespaces.has(name)
  }

  hasPod(namespace: string, address: AddressKey): boolean {
    return this.#pods.get(namespace)?.has(address) === true
  }

  /**
   * Takes one step of the model.
   *
   * @param serial The SOA serial if this changes anything: seconds since 1970.
   * @returns Whether anything changed.
   */
  apply(change: ModelChange, serial: number): boolean {
    const changed = this.#apply(change)
    if (changed && serial !== this.#serial) {
      this.#serial = serial
      this.#negative = new NegativeAnswers(soaOf(this.options, serial))
    }
    return changed
  }

  /** The zone as a value. */
  value(): Zone {
    return {
      options: this.options,
      serial: this.#serial,
      services: new Map([...this.#byKey].map(([key, live]) => [key, live.zone])),
      namespaces: new Set(this.#namespaces.values()),
      pods: this.#pods,
      refused: this.#refused,
    }
  }

  #apply(change: ModelChange): boolean {
    switch (change.kind) {
      case 'service':
        return this.#applyService(change.key, change)
      case 'namespace': {
        const key = change.name.toLowerCase()
        if (this.#namespaces.has(key) === change.present) return false
        if (change.present) this.#namespaces.set(key, change.name)
        else this.#namespaces.delete(key)
        return true
      }
      case 'pod': {
        const key = addressKey(change.address)
        const known = this.#pods.get(change.namespace)
        if ((known?.has(key) === true) === change.present) return false
        if (change.present) {
          if (known === undefined) this.#pods.set(change.namespace, new Set([key]))
          else known.add(key)
        } else if (known!.delete(key) && known!.size === 0) {
          this.#pods.delete(change.namespace)
        }
        return true
      }
      default:
        return change satisfies never
    }
  }

  #applyService(key: string, { service }: Extract<ModelChange, { kind: 'service' }>): boolean {
    const old = this.#byKey.get(key)
    if (service !== undefined && old !== undefined && isDeepStrictEqual(old.zone.service, service)) return false
    this.#refused.delete(key)
    let next: ServiceZone | undefined
    if (service !== undefined) {
      try {
        next = compileService(service, this.options.origin)
      } catch (error) {
        // Refused alone; what it said before is no longer true.
        this.#refused.set(key, error as Error)
      }
    }
    if (old === undefined && next === undefined) return false
    if (old !== undefined) {
      this.pointers.remove(old.zone.pointers)
      this.#byLabels.delete(old.zone.key)
      this.#byKey.delete(key)
    }
    if (next !== undefined) {
      const live: LiveService = { zone: next, answers: undefined }
      this.pointers.add(next.pointers)
      this.#byLabels.set(next.key, live)
      this.#byKey.set(key, live)
    }
    return true
  }
}
