import type { Clock } from '@weft/daemon'
import { backendKey } from './backends.ts'
import type { BackendBefore } from './kernel-ports.ts'
import { type Backend, type HeldBackend, ipKey, type ServiceModel, type VirtualPort } from './model.ts'
import { keepers } from './stale-flows.ts'

interface Held extends HeldBackend {
  /** The same time by the monotonic clock. */
  readonly endsMs: number
}

interface Before {
  readonly backend: Backend
  /** Undefined for one that served. */
  readonly held: Held | undefined
}

/**
 * Backends of Services with `weft.dev/drainSeconds` that no longer serve, and until when their UDP flows may stay all the same. The kernel's table
 * has them too, so that the next process lets go of each when its time is over, and of nobody else.
 */
export class Draining {
  readonly #clock: Clock
  /** By Service, then by port and backend. */
  readonly #held = new Map<string, Map<string, Held>>()
  /** What the process before this one held or served, by port and then backend; taken over by the first models. */
  #before: ReadonlyMap<string, readonly Before[]> = new Map()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What the kernel's table says of a time before the first models; with nothing, that they are made. */
  restore(before: readonly BackendBefore[]): void {
    const [now, wallMs] = [this.#clock.now(), this.#clock.wallTime().getTime()]
    const places = Map.groupBy(before, placeOf)
    this.#before = new Map([...places].map(([place, found]) => [place, found.map(({ backend: ip, backendPort, endsAt }): Before => {
      const backend: Backend = { ip, port: backendPort, local: false }
      return { backend, held: endsAt === undefined ? undefined : { backend, endsAt, endsMs: now + endsAt * 1000 - wallMs } }
    })]))
  }

  /** The model with the backends it had before and still holds. */
  hold(model: ServiceModel, before: ServiceModel | undefined): ServiceModel {
    const { key, drainSeconds } = model
    const old = this.#held.get(key)
    this.#held.delete(key)
    if (drainSeconds === undefined || (before === undefined && this.#before.size === 0)) return model
    const had = new Map(before?.ports.filter(isUdp).map((port) => [placeOf(port), port]))
    const kept = new Map<string, Held>()
    const ports = model.ports.map((port): VirtualPort => {
      if (!isUdp(port)) return port
      const place = placeOf(port)
      const was = had.get(place)
      const restored = this.#before.get(place) ?? []
      const serving = new Set(keepers(port).map(idOf))
      const gone = new Map<string, Backend>([...(was === undefined ? [] : keepers(was)), ...restored.map(({ backend }) => backend)].map((backend) => [idOf(backend), backend]))
      const held = [...gone].filter(([id]) => !serving.has(id)).flatMap(([id, backend]) => {
        const one = old?.get(`${place} ${id}`) ?? restored.find(({ backend: other, held: was }) => was !== undefined && idOf(other) === id)?.held ?? this.#from(backend, drainSeconds)
        if (one.endsMs <= this.#clock.now()) return []
        kept.set(`${place} ${id}`, one)
        return [one]
      })
      return held.length === 0 ? port : { ...port, held }
    })
    if (kept.size > 0) this.#held.set(key, kept)
    return { ...model, ports }
  }

  /** A Service that is gone holds nobody. */
  release(key: string): void {
    this.#held.delete(key)
  }

  /** When the next one's time will be over, in the clock's milliseconds; Infinity when nobody is held for longer. */
  get nextEndMs(): number {
    const now = this.#clock.now()
    let next = Infinity
    for (const held of this.#held.values()) for (const { endsMs } of held.values()) if (endsMs > now) next = Math.min(next, endsMs)
    return next
  }

  /** Services that hold somebody whose time is over. */
  due(): readonly string[] {
    const now = this.#clock.now()
    return [...this.#held].filter(([, held]) => held.values().some(({ endsMs }) => endsMs <= now)).map(([key]) => key)
  }

  #from(backend: Backend, seconds: number): Held {
    return { backend, endsAt: Math.ceil(this.#clock.wallTime().getTime() / 1000) + seconds, endsMs: this.#clock.now() + seconds * 1000 }
  }
}

function isUdp({ protocol }: VirtualPort): boolean {
  return protocol === 'UDP'
}

function idOf({ ip, port }: Backend): string {
  return backendKey(ip, port)
}

function placeOf({ ip, port }: Pick<VirtualPort, 'ip' | 'port'>): string {
  return `${ipKey(ip)} ${port}`
}
