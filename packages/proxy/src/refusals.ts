import type { Logger } from '@weft/daemon'
import type { ServiceModel } from './model.ts'
import type { ProxyError } from './proxy-error.ts'
import type { Refusal } from './virtual-ports.ts'

/** How many ports of one Service are told of one by one. */
const maxTold = 10

/** Why Services are not served on some of their ports, each told once for as long as it holds (promise P10). */
export class Refusals {
  readonly #logger: Logger
  readonly #onRefused: ((key: string, error: ProxyError) => void) | undefined
  /** Ports that another Service has: id of the refusal -> who lost it. */
  readonly #ports = new Map<string, string>()
  /** How many each Service lost. */
  readonly #lost = new Map<string, number>()
  /** Messages about addresses, by Service. */
  readonly #addresses = new Map<string, ReadonlySet<string>>()

  constructor(logger: Logger, onRefused: ((key: string, error: ProxyError) => void) | undefined) {
    this.#logger = logger
    this.#onRefused = onRefused
  }

  get size(): number {
    return [...this.#addresses.values()].reduce((sum, messages) => sum + messages.size, this.#ports.size)
  }

  tell({ id, key, error }: Refusal): void {
    if (this.#ports.has(id)) return
    this.#ports.set(id, key)
    const lost = (this.#lost.get(key) ?? 0) + 1
    this.#lost.set(key, lost)
    // A Service may have thousands of ports; all of them are counted.
    if (lost <= maxTold) this.#say(key, error)
  }

  settle(ids: readonly string[]): void {
    for (const id of ids) {
      const key = this.#ports.get(id)
      if (key === undefined) continue
      this.#ports.delete(id)
      const lost = this.#lost.get(key)! - 1
      if (lost === 0) this.#lost.delete(key)
      else this.#lost.set(key, lost)
    }
  }

  /** Tells of addresses of a Service; undefined when it is gone. */
  tellModel(key: string, model: ServiceModel | undefined): void {
    const told = this.#addresses.get(key)
    for (const error of model?.refusals ?? []) if (told?.has(error.message) !== true) this.#say(key, error)
    if (model === undefined || model.refusals.length === 0) this.#addresses.delete(key)
    else this.#addresses.set(key, new Set(model.refusals.map(({ message }) => message)))
  }

  /** What holds after everything was looked at anew. */
  reset(models: readonly ServiceModel[], ports: readonly Refusal[]): void {
    const ids = new Set(ports.map(({ id }) => id))
    this.settle([...this.#ports.keys()].filter((id) => !ids.has(id)))
    for (const refusal of ports) this.tell(refusal)
    const keys = new Set(models.map(({ key }) => key))
    for (const key of [...this.#addresses.keys()]) if (!keys.has(key)) this.#addresses.delete(key)
    for (const model of models) this.tellModel(model.key, model)
  }

  #say(key: string, error: ProxyError): void {
    this.#logger.warn({ service: key, reason: error.message }, 'service refused')
    this.#onRefused?.(key, error)
  }
}
