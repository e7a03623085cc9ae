import { selectorMatches } from '@weft/api'
import { formatIp, type IpAddress } from '@weft/ip'
import { goTo } from '@weft/nftables'
import type { CompiledPolicy } from './compile.ts'
import type { TargetPod } from './model.ts'
import { type Direction, directions, podChainName, policyChainName } from './names.ts'
import { References } from './references.ts'
import type { TableDraft } from './table-draft.ts'
import { podChain, sets, unknownPod } from './table.ts'

/** The chain of each direction that isolates a pod. */
type Isolation = Readonly<Partial<Record<Direction, string>>>

interface Target {
  readonly pod: TargetPod
  isolation: Isolation
}

const closed: Isolation = { ingress: unknownPod, egress: unknownPod }

/** Pods of this node and the chains that the policies of their namespaces give them. */
export class TargetPods {
  readonly #draft: TableDraft
  readonly #policiesIn: (namespace: string) => Iterable<CompiledPolicy>
  readonly #targets = new Map<string, Target>()
  readonly #byNamespace = new Map<string, Set<string>>()
  /** Targets by address, in the order they came: the last one has it. */
  readonly #claims = new Map<string, readonly string[]>()
  readonly #chains = new References<string>()

  constructor(draft: TableDraft, policiesIn: (namespace: string) => Iterable<CompiledPolicy>) {
    this.#draft = draft
    this.#policiesIn = policiesIn
  }

  /** Targets that some policy selects. */
  get isolated(): number {
    return this.#targets.values().reduce((sum, { pod, isolation }) => sum + (pod.identity !== undefined && Object.keys(isolation).length > 0 ? 1 : 0), 0)
  }

  /** Targets the API does not know. */
  get unknown(): number {
    return this.#targets.values().reduce((sum, { pod }) => sum + (pod.identity === undefined ? 1 : 0), 0)
  }

  has(namespace: string): boolean {
    return this.#byNamespace.has(namespace)
  }

  /** @param pod Undefined when its link is gone. */
  set(key: string, pod: TargetPod | undefined): void {
    const before = this.#targets.get(key)
    const touched = new Map([...before?.pod.ips ?? [], ...pod?.ips ?? []].map((ip) => [formatIp(ip), ip]))
    if (before !== undefined) this.#leave(key, before.pod)
    if (pod === undefined) this.#targets.delete(key)
    else this.#enter(key, { pod, isolation: this.#acquire(pod) })
    for (const [address, ip] of touched) this.#place(address, ip)
    // The old chains go last: pods that keep them must not lose them in between.
    if (before !== undefined) this.#release(before.isolation)
  }

  /** Policies of a namespace changed that select pods for which `isConcerned` holds. */
  refresh(namespace: string, isConcerned: (labels: Readonly<Record<string, string>>) => boolean): void {
    for (const key of this.#byNamespace.get(namespace) ?? []) {
      const target = this.#targets.get(key)!
      if (!isConcerned(target.pod.identity!.labels)) continue
      const before = target.isolation
      target.isolation = this.#acquire(target.pod)
      for (const ip of target.pod.ips) this.#place(formatIp(ip), ip)
      this.#release(before)
    }
  }

  #enter(key: string, target: Target): void {
    this.#targets.set(key, target)
    const { identity, ips } = target.pod
    if (identity !== undefined) this.#byNamespace.getOrInsertComputed(identity.namespace, () => new Set()).add(key)
    for (const address of ips.map(formatIp)) {
      const claims = this.#claims.get(address) ?? []
      if (!claims.includes(key)) this.#claims.set(address, [...claims, key])
    }
  }

  #leave(key: string, { identity, ips }: TargetPod): void {
    if (identity !== undefined) {
      const keys = this.#byNamespace.get(identity.namespace)
      keys?.delete(key)
      if (keys?.size === 0) this.#byNamespace.delete(identity.namespace)
    }
    for (const address of ips.map(formatIp)) {
      const claims = (this.#claims.get(address) ?? []).filter((each) => each !== key)
      if (claims.length > 0) this.#claims.set(address, claims)
      else this.#claims.delete(address)
    }
  }

  /** The chains of a pod, made where they are new. */
  #acquire({ identity }: TargetPod): Isolation {
    if (identity === undefined) return closed
    const isolation: Partial<Record<Direction, string>> = {}
    const policies = [...this.#policiesIn(identity.namespace)].filter(({ source }) => selectorMatches(source.pods, identity.labels)).sort((a, b) => (a.key < b.key ? -1 : 1))
    for (const direction of directions) {
      const isolating = policies.filter(({ chains }) => chains[direction] !== undefined).map(({ key }) => key)
      if (isolating.length === 0) continue
      const name = podChainName(direction, isolating)
      isolation[direction] = name
      if (this.#chains.add(name, name)) this.#draft.putChain(podChain(name, isolating.map((key) => ({ key, chain: policyChainName(direction, key) }))))
    }
    return isolation
  }

  #release(isolation: Isolation): void {
    for (const name of Object.values(isolation)) if (this.#chains.remove(name)) this.#draft.dropChain(name)
  }

  /** The elements of an address, for whoever has it now. */
  #place(address: string, ip: IpAddress): void {
    const holder = this.#claims.get(address)?.at(-1)
    const isolation: Isolation = holder === undefined ? {} : this.#targets.get(holder)!.isolation
    const { [ip.family]: own } = sets
    for (const direction of directions) {
      const chain = isolation[direction]
      if (chain === undefined) this.#draft.dropElement(own[direction].name, address)
      else this.#draft.putElement(own[direction].name, address, { key: [ip], data: goTo(chain) }, chain)
    }
    const isOpenToItself = Object.values(isolation).some((chain) => chain !== unknownPod)
    if (isOpenToItself) this.#draft.putElement(own.self.name, address, { key: [ip, ip] })
    else this.#draft.dropElement(own.self.name, address)
  }
}
