import type { Clock } from '@weft/daemon'
import { backendKey } from './backends.ts'
import { type Backend, ipKey, type ServiceModel, type VirtualPort } from './model.ts'

interface Held {
  readonly backend: Backend
  readonly endsMs: number
}

/**
 * Backends of Services with `weft.dev/drainSeconds` that no longer serve, and until when their UDP flows may stay all the same. What a process
 * before this one held is not known: its flows are judged by what serves.
 */
export class Draining {
  readonly #clock: Clock
  /** By Service, then by port and backend. */
  readonly #held = new Map<string, Map<string, Held>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The model with the backends it had before and still holds. */
  hold(model: ServiceModel, before: ServiceModel | undefined): ServiceModel {
    const { key, drainSeconds } = model
    const old = this.#held.get(key)
    this.#held.delete(key)
    if (drainSeconds === undefined || before === undefined) return model
    const now = this.#clock.now()
    const had = new Map(before.ports.filter(isUdp).map((port) => [placeOf(port), port]))
    const held = new Map<string, Held>()
    const ports = model.ports.map((port): VirtualPort => {
      const was = isUdp(port) ? had.get(placeOf(port)) : undefined
      if (was === undefined) return port
      const serving = new Set(keepersOf(port).map(idOf))
      const gone = new Map(keepersOf(was).map((backend) => [idOf(backend), backend])).values().filter((backend) => !serving.has(idOf(backend)))
      const lingering = [...gone].filter((backend) => {
        const id = `${placeOf(port)} ${idOf(backend)}`
        const endsMs = old?.get(id)?.endsMs ?? now + drainSeconds * 1000
        if (endsMs > now) held.set(id, { backend, endsMs })
        return endsMs > now
      })
      return lingering.length === 0 ? port : { ...port, lingering: [...port.lingering, ...lingering] }
    })
    if (held.size > 0) this.#held.set(key, held)
    return { ...model, ports }
  }

  /** A Service that is gone holds nobody. */
  release(key: string): void {
    this.#held.delete(key)
  }

  /** When the next one's time will be over, in the clock's milliseconds; Infinity when nobody is held for longer. */
  get nextEndMs(): number {
    const now = this.#clock.now()
    return Math.min(...this.#held.values().flatMap((held) => held.values()).map(({ endsMs }) => endsMs).filter((endsMs) => endsMs > now))
  }

  /** Services that hold somebody whose time is over. */
  due(): readonly string[] {
    const now = this.#clock.now()
    return [...this.#held].filter(([, held]) => held.values().some(({ endsMs }) => endsMs <= now)).map(([key]) => key)
  }
}

function isUdp({ protocol }: VirtualPort): boolean {
  return protocol === 'UDP'
}

function keepersOf({ backends, local = [], lingering }: VirtualPort): readonly Backend[] {
  return [...backends, ...local, ...lingering]
}

function idOf({ ip, port }: Backend): string {
  return backendKey(ip, port)
}

function placeOf({ ip, port }: VirtualPort): string {
  return `${ipKey(ip)} ${port}`
}
