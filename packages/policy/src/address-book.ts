import { formatIp, type IpAddress } from '@weft/ip'
import type { PolicyPod, Standing } from './model.ts'

const ranks: Readonly<Record<Standing, number>> = { attached: 2, present: 1, leaving: 0 }

/** An address and the pods that have a claim to it. */
interface Holding {
  readonly ip: IpAddress
  readonly pods: Map<string, PolicyPod>
}

/**
 * Which pods an address may belong to. Nearly always one; while an address is used anew there are two, and those of the
 * highest {@link Standing} count. If that leaves several, nobody knows whose it is, and only what is true of all may be
 * concluded: a packet is then refused rather than taken for another pod's.
 */
export class AddressBook {
  readonly #pods = new Map<string, PolicyPod>()
  readonly #byNamespace = new Map<string, Set<PolicyPod>>()
  /** By text: BigInts make poor keys, V8 hashes their lowest word only. */
  readonly #holdings = new Map<string, Holding>()

  /** @returns Addresses whose pods changed, by text. */
  set(key: string, pod: PolicyPod | undefined): ReadonlyMap<string, IpAddress> {
    const touched = new Map<string, IpAddress>()
    const before = this.#pods.get(key)
    if (before !== undefined && pod !== undefined && isSamePod(before, pod)) return touched
    if (before !== undefined) this.#remove(before, touched)
    if (pod !== undefined) this.#add(pod, touched)
    return touched
  }

  /** Pods that {@link AddressBook.set} was told of in a namespace. */
  in(namespace: string): Iterable<PolicyPod> {
    return this.#byNamespace.get(namespace) ?? []
  }

  /** All addresses, by text. */
  entries(): Iterable<readonly [address: string, { readonly ip: IpAddress }]> {
    return this.#holdings
  }

  /** The pods an address may belong to; none when nobody has it. */
  podsAt(address: string): readonly PolicyPod[] {
    const pods = [...this.#holdings.get(address)?.pods.values() ?? []]
    if (pods.length < 2) return pods
    const highest = Math.max(...pods.map(({ standing }) => ranks[standing]))
    return pods.filter(({ standing }) => ranks[standing] === highest)
  }

  #add(pod: PolicyPod, touched: Map<string, IpAddress>): void {
    this.#pods.set(pod.key, pod)
    this.#byNamespace.getOrInsertComputed(pod.namespace, () => new Set()).add(pod)
    for (const ip of pod.ips) {
      const address = formatIp(ip)
      touched.set(address, ip)
      this.#holdings.getOrInsertComputed(address, () => ({ ip, pods: new Map<string, PolicyPod>() })).pods.set(pod.key, pod)
    }
  }

  #remove(pod: PolicyPod, touched: Map<string, IpAddress>): void {
    this.#pods.delete(pod.key)
    const neighbours = this.#byNamespace.get(pod.namespace)
    neighbours?.delete(pod)
    if (neighbours?.size === 0) this.#byNamespace.delete(pod.namespace)
    for (const ip of pod.ips) {
      const address = formatIp(ip)
      touched.set(address, ip)
      const holding = this.#holdings.get(address)
      holding?.pods.delete(pod.key)
      if (holding?.pods.size === 0) this.#holdings.delete(address)
    }
  }
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
