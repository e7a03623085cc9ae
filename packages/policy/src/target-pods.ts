import { formatIp, type IpAddress } from '@weft/ip'
import { goTo, jump } from '@weft/nftables'
import { closed, type Isolation, type Isolations } from './isolations.ts'
import type { TargetPod } from './model.ts'
import { type Direction, directions } from './names.ts'
import type { PolicyBook } from './policy-book.ts'
import { isSameReach, type PolicyHead } from './policy-head.ts'
import type { TableDraft } from './table-draft.ts'
import { sets } from './table.ts'

interface Target {
  readonly pod: TargetPod
  /** Those that select it, by key; undefined while nobody knows, and then it is closed. */
  policies: Map<string, PolicyHead> | undefined
  isolation: Isolation
  /** Where policies closed it that nobody knows any more: it stays closed there until its link is gone. */
  readonly lost: readonly Direction[]
}

/**
 * Pods of this node and the chains that their policies give them. Which policies select a pod is noted at once; what comes of it is made when it is asked for, so that
 * many changes that come together cost a pod's chains once.
 */
export class TargetPods {
  readonly #draft: TableDraft
  readonly #book: PolicyBook
  readonly #isolations: Isolations
  readonly #targets = new Map<string, Target>()
  readonly #byNamespace = new Map<string, Set<string>>()
  /** Targets by address, in the order they came: the last one has it. */
  readonly #claims = new Map<string, readonly string[]>()
  /** Targets whose policies changed. */
  readonly #changed = new Set<string>()
  /** Addresses whose holder, or its chains, changed. */
  readonly #moved = new Map<string, IpAddress>()
  /** Chains that targets had which are no more. */
  readonly #left: Isolation[] = []
  /** Keys of policies whose rules changed. */
  readonly #rewritten = new Set<string>()

  constructor(draft: TableDraft, book: PolicyBook, isolations: Isolations) {
    this.#draft = draft
    this.#book = book
    this.#isolations = isolations
  }

  /** Targets that some policy selects. */
  get isolated(): number {
    return this.#targets.values().reduce((sum, { isolation }) => sum + (isolation !== closed && Object.keys(isolation).length > 0 ? 1 : 0), 0)
  }

  /** Targets the API does not know. */
  get unknown(): number {
    return this.#targets.values().reduce((sum, { isolation }) => sum + (isolation === closed ? 1 : 0), 0)
  }

  has(namespace: string): boolean {
    return this.#byNamespace.has(namespace)
  }

  namespaces(): Iterable<string> {
    return [...this.#byNamespace.keys()]
  }

  /** @param pod Undefined when its link is gone. */
  set(key: string, pod: TargetPod | undefined): void {
    const before = this.#targets.get(key)
    for (const ip of [...before?.pod.ips ?? [], ...pod?.ips ?? []]) this.#moved.set(formatIp(ip), ip)
    if (before !== undefined) {
      this.#leave(key, before.pod)
      this.#left.push(before.isolation)
    }
    if (pod === undefined) this.#targets.delete(key)
    else {
      this.#enter(key, { pod, policies: this.#policiesOf(pod), isolation: {}, lost: before?.lost ?? [] })
      this.#changed.add(key)
    }
  }

  /**
   * Closes pods of namespaces that are leaving where they had policies which they do not have now: those may have gone before their pods (CVE-2024-7598).
   *
   * @param chainAt The chain of an address in the kernel, as an earlier process left it.
   */
  closeLost(isLeaving: (namespace: string) => boolean, chainAt: (direction: Direction, ip: IpAddress) => string | undefined): void {
    this.realise()
    for (const [key, target] of this.#targets) {
      const { identity, ips } = target.pod
      if (identity === undefined || !isLeaving(identity.namespace)) continue
      const lost = directions.filter((direction) => ips.some((ip) => ![undefined, target.isolation[direction]?.pod].includes(chainAt(direction, ip))))
      if (lost.length === 0) continue
      this.#targets.set(key, { ...target, lost })
      this.#changed.add(key)
    }
  }

  /** Nothing of a namespace is lost: it was made anew. */
  forgiveLost(namespace: string): void {
    for (const key of this.#byNamespace.get(namespace) ?? []) {
      const target = this.#targets.get(key)!
      if (target.lost.length === 0) continue
      this.#targets.set(key, { ...target, lost: [] })
      this.#changed.add(key)
    }
  }

  /**
   * A policy came, went or changed.
   *
   * @returns Pods that it is about, or was.
   */
  replace(before: PolicyHead | undefined, after: PolicyHead | undefined): readonly TargetPod[] {
    const key = (after ?? before)!.key
    const isSame = before !== undefined && after !== undefined && isSameReach(before, after)
    const found: TargetPod[] = []
    for (const [name, target] of this.#within([before, after].filter((head) => head !== undefined))) {
      const { pod, policies } = target
      const was = before !== undefined && (policies === undefined || policies.has(key))
      const is = after !== undefined && pod.identity !== undefined && this.#book.concerns(after, pod.identity)
      if (!was && !is) continue
      found.push(pod)
      if (is) policies?.set(key, after)
      else policies?.delete(key)
      if (!isSame) this.#changed.add(name)
    }
    return found
  }

  /** By what policies of the cluster select the pods of a namespace changed. */
  refreshNamespace(namespace: string): readonly TargetPod[] {
    return [...this.#byNamespace.get(namespace) ?? []].map((key) => {
      const target = this.#targets.get(key)!
      target.policies = this.#policiesOf(target.pod)
      this.#changed.add(key)
      return target.pod
    })
  }

  /** Pods that a policy selects. */
  under(policy: string): readonly TargetPod[] {
    return [...this.#targets.values().filter(({ policies }) => policies?.has(policy) === true).map(({ pod }) => pod)]
  }

  /** The rules of a policy changed: lists that have them written out are to have the new ones. */
  rewrite(key: string): void {
    this.#rewritten.add(key)
  }

  /** Makes chains and elements of what is noted. */
  realise(): void {
    for (const key of this.#changed) {
      const target = this.#targets.get(key)
      if (target === undefined) continue
      this.#left.push(target.isolation)
      target.isolation = target.policies === undefined ? closed : this.#isolations.acquire(target.policies.values(), target.lost)
      for (const ip of target.pod.ips) this.#moved.set(formatIp(ip), ip)
    }
    this.#isolations.rewrite(this.#rewritten)
    for (const [address, ip] of this.#moved) this.#place(address, ip)
    // The old chains go last: pods that keep them must not lose them in between.
    for (const isolation of this.#left) this.#isolations.release(isolation)
    for (const noted of [this.#changed, this.#rewritten, this.#moved]) noted.clear()
    this.#left.length = 0
  }

  #policiesOf({ identity }: TargetPod): Target['policies'] {
    const policies = identity === undefined ? undefined : this.#book.of(identity)
    return policies === undefined ? undefined : new Map(policies.map((head) => [head.key, head]))
  }

  *#within(policies: readonly PolicyHead[]): Iterable<readonly [key: string, Target]> {
    const namespaces = new Set(policies.map(({ subject }) => subject.namespace))
    if (namespaces.has(undefined)) yield* this.#targets
    else for (const namespace of namespaces) for (const key of this.#byNamespace.get(namespace!) ?? []) yield [key, this.#targets.get(key)!]
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

  /** The elements of an address, for whoever has it now. */
  #place(address: string, ip: IpAddress): void {
    const holder = this.#claims.get(address)?.at(-1)
    const isolation: Isolation = holder === undefined ? {} : this.#targets.get(holder)!.isolation
    const isKnown = holder !== undefined && isolation !== closed
    const { [ip.family]: own } = sets
    for (const direction of directions) {
      const way = isolation[direction]
      if (way === undefined) this.#draft.dropElement(own[direction].name, address)
      else this.#draft.putElement(own[direction].name, address, { key: [ip], data: direction === 'egress' ? jump(way.pod) : goTo(way.pod) }, way.pod)
    }
    if (isKnown) this.#draft.putElement(own.self.name, address, { key: [ip, ip] })
    else this.#draft.dropElement(own.self.name, address)
  }
}
