import { formatIp, type IpAddress } from '@weft/ip'
import type { PolicyPod, Standing } from './model.ts'

const ranks: Readonly<Record<Standing, number>> = { attached: 2, present: 1, leaving: 0 }

/** An address and the pods it may belong to. */
export interface Holding {
  /** By text. */
  readonly address: string
  readonly ip: IpAddress
  /** Those whose claim counts. */
  readonly owners: readonly PolicyPod[]
}

interface Claims extends Holding {
  readonly pods: Map<string, PolicyPod>
  owners: readonly PolicyPod[]
}

/**
 * Which pods an address may belong to. Nearly always one; while an address is used anew there are two, and those of the
 * highest {@link Standing} count. If that leaves several, nobody knows whose it is, and only what is true of all may be
 * concluded: a packet is then refused rather than taken for another pod's.
 */
export class AddressBook {
  readonly #pods = new Map<string, PolicyPod>()
  readonly #byNamespace = new Map<string, Map<string, readonly Claims[]>>()
  /** By text: BigInts make poor keys, V8 hashes their lowest word only. */
  readonly #holdings = new Map<string, Claims>()

  /** @returns Addresses whose pods changed. */
  set(key: string, pod: PolicyPod | undefined): Iterable<Holding> {
    const before = this.#pods.get(key)
    if (before !== undefined && pod !== undefined && isSamePod(before, pod)) return []
    const left = before === undefined ? [] : this.#remove(before)
    const touched = new Set([...left, ...(pod === undefined ? [] : this.#add(pod))])
    for (const { address, pods } of left) if (pods.size === 0) this.#holdings.delete(address)
    return touched
  }

  /** Addresses of pods of a namespace. */
  *in(namespace: string): Iterable<Holding> {
    for (const holdings of this.#byNamespace.get(namespace)?.values() ?? []) yield* holdings
  }

  all(): Iterable<Holding> {
    return this.#holdings.values()
  }

  /** The pods an address may belong to; none when nobody has it. */
  ownersOf(address: string): readonly PolicyPod[] {
    return this.#holdings.get(address)?.owners ?? []
  }

  #add(pod: PolicyPod): readonly Claims[] {
    this.#pods.set(pod.key, pod)
    const holdings = pod.ips.map((ip) => {
      const address = formatIp(ip)
      const holding = this.#holdings.getOrInsertComputed(address, (): Claims => ({ address, ip, pods: new Map(), owners: [] }))
      holding.pods.set(pod.key, pod)
      holding.owners = ownersOf(holding.pods)
      return holding
    })
    this.#byNamespace.getOrInsertComputed(pod.namespace, () => new Map<string, readonly Claims[]>()).set(pod.key, holdings)
    return holdings
  }

  #remove(pod: PolicyPod): readonly Claims[] {
    this.#pods.delete(pod.key)
    const neighbours = this.#byNamespace.get(pod.namespace)
    const holdings = neighbours?.get(pod.key) ?? []
    neighbours?.delete(pod.key)
    if (neighbours?.size === 0) this.#byNamespace.delete(pod.namespace)
    for (const holding of holdings) {
      holding.pods.delete(pod.key)
      holding.owners = ownersOf(holding.pods)
    }
    return holdings
  }
}

function ownersOf(claims: ReadonlyMap<string, PolicyPod>): readonly PolicyPod[] {
  const pods = [...claims.values()]
  if (pods.length < 2) return pods
  const highest = Math.max(...pods.map(({ standing }) => ranks[standing]))
  return pods.filter(({ standing }) => ranks[standing] === highest)
}

/** Pods change often in ways no policy sees (readiness, conditions): those cost nothing further. */
function isSamePod(a: PolicyPod, b: PolicyPod): boolean {
  return a.standing === b.standing && a.namespace === b.namespace && isSameLabels(a.labels, b.labels)
    && a.ips.length === b.ips.length && a.ips.every((ip, index) => ip.family === b.ips[index]!.family && ip.bits === b.ips[index]!.bits)
    && a.ports.length === b.ports.length && a.ports.every(({ name, protocol, port }, index) => name === b.ports[index]!.name && protocol === b.ports[index]!.protocol && port === b.ports[index]!.port)
}

function isSameLabels(a: PolicyPod['labels'], b: PolicyPod['labels']): boolean {
  if (a === b) return true
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
}
