import { formatIp, type IpAddress } from '@weft/ip'
import { chain, counter, goTo, jump, rule, type Statement } from '@weft/nftables'
import { asks } from './compile.ts'
import type { TargetPod } from './model.ts'
import { adminChainName, auditChainName, commentOf, type Direction, directions, podChainName, policyChainName } from './names.ts'
import type { PoliciesInUse } from './policies-in-use.ts'
import type { PolicyBook } from './policy-book.ts'
import { compareHeads, isSameReach, type PolicyHead, type Tier } from './policy-head.ts'
import { References } from './references.ts'
import type { TableDraft } from './table-draft.ts'
import { podChain, sets, unknownPod, verdicts } from './table.ts'
import { type Teller, tellerOf, type Tellers } from './tellers.ts'

/** What a pod meets in a direction: its chain, the policies and the lists that it asks, and the chains that log for it. */
interface Way {
  readonly pod: string
  /** Keys. */
  readonly policies: readonly string[]
  readonly lists: readonly string[]
  readonly tellers: readonly Teller[]
}

/** The ways of a pod, where it has policies. */
type Isolation = Readonly<Partial<Record<Direction, Way>>>

interface Target {
  readonly pod: TargetPod
  /** Those that select it, by key; undefined while nobody knows, and then it is closed. */
  policies: Map<string, PolicyHead> | undefined
  isolation: Isolation
  /** Where policies closed it that nobody knows any more: it stays closed there until its link is gone. */
  readonly lost: readonly Direction[]
}

/** Policies that some pods have, asked one after the other: Admin policies in their order, or NetworkPolicies in audit mode. */
interface PolicyList {
  readonly name: string
  readonly direction: Direction
  /** Keys. */
  readonly policies: readonly string[]
  /** What becomes of what none of them decides; nothing to go on after the list. */
  readonly end: readonly Statement[]
}

const unknown: Way = { pod: unknownPod, policies: [], lists: [], tellers: [] }
const closed: Isolation = { ingress: unknown, egress: unknown }

/**
 * Pods of this node and the chains that their policies give them. Which policies select a pod is noted at once; what comes of it is made when it is asked for, so that
 * many changes that come together cost a pod's chains once.
 */
export class TargetPods {
  readonly #draft: TableDraft
  readonly #book: PolicyBook
  readonly #inUse: PoliciesInUse
  readonly #targets = new Map<string, Target>()
  readonly #byNamespace = new Map<string, Set<string>>()
  /** Targets by address, in the order they came: the last one has it. */
  readonly #claims = new Map<string, readonly string[]>()
  readonly #chains = new References<string>()
  readonly #lists = new References<PolicyList>()
  readonly #tellers: Tellers
  /** Targets whose policies changed. */
  readonly #changed = new Set<string>()
  /** Addresses whose holder, or its chains, changed. */
  readonly #moved = new Map<string, IpAddress>()
  /** Chains that targets had which are no more. */
  readonly #left: Isolation[] = []
  /** Keys of policies whose rules changed. */
  readonly #rewritten = new Set<string>()

  constructor(draft: TableDraft, book: PolicyBook, { inUse, tellers }: { readonly inUse: PoliciesInUse, readonly tellers: Tellers }) {
    this.#draft = draft
    this.#book = book
    this.#inUse = inUse
    this.#tellers = tellers
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
      target.isolation = this.#acquire(target)
      for (const ip of target.pod.ips) this.#moved.set(formatIp(ip), ip)
    }
    if (this.#rewritten.size > 0) for (const list of this.#lists.values()) if (list.policies.some((key) => this.#rewritten.has(key))) this.#writeList(list)
    for (const [address, ip] of this.#moved) this.#place(address, ip)
    // The old chains go last: pods that keep them must not lose them in between.
    for (const isolation of this.#left) this.#release(isolation)
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

  /** The chains of a pod, made where they are new. */
  #acquire({ policies, lost }: Target): Isolation {
    if (policies === undefined) return closed
    const isolation: Partial<Record<Direction, Way>> = {}
    const heads = [...policies.values()].sort(compareHeads)
    for (const direction of lost) isolation[direction] = unknown
    for (const direction of directions.filter((each) => !lost.includes(each))) {
      const own = heads.filter((head) => head.directions.includes(direction))
      const of = (tier: Tier): readonly PolicyHead[] => own.filter((head) => head.tier === tier)
      const [admin, network] = [of('Admin'), of('NetworkPolicy')]
      const isolating = network.filter(({ source }) => !source.telling.audit)
      // A policy in audit mode isolates nobody; what it says where another one isolates is not known without that one.
      const audited = isolating.length === 0 ? network : []
      // Baseline is for pods that no NetworkPolicy selects.
      const baseline = isolating.length === 0 ? of('Baseline') : []
      if (admin.length + isolating.length + audited.length + baseline.length > 0) isolation[direction] = this.#acquireWay(direction, { admin, isolating, audited, baseline })
    }
    return isolation
  }

  #acquireWay(direction: Direction, { admin, isolating, audited, baseline }: Readonly<Record<'admin' | 'isolating' | 'audited' | 'baseline', readonly PolicyHead[]>>): Way {
    const { log } = this.#inUse.context
    const used = [...admin, ...isolating, ...audited, ...baseline]
    this.#inUse.acquire(used)
    const keysOf = (policies: readonly PolicyHead[]): readonly string[] => policies.map(({ key }) => key)
    const tellers: Teller[] = []
    const tell = (verdict: 'denied' | 'audit', policies: readonly PolicyHead[]): string | undefined => {
      if (policies.length === 0 || log === undefined) return undefined
      const teller = tellerOf({ verdict, direction, policies: keysOf(policies), rule: undefined }, verdict === 'audit' ? [] : verdicts[direction].Deny, log)
      tellers.push(teller)
      return teller.chain.name
    }
    const denying = tell('denied', isolating.filter(({ source: { telling } }) => telling.log === 'denied' || telling.log === 'all'))
    const auditing = tell('audit', audited)
    const adminList = this.#acquireList(adminChainName, direction, { policies: keysOf(admin), end: [] })
    const auditList = this.#acquireList(auditChainName, direction, { policies: keysOf(audited), end: [counter(), ...(auditing === undefined ? [] : [goTo(auditing)])] })
    this.#tellers.acquire(tellers)
    const tiers = [admin, isolating, baseline, audited].map(keysOf)
    const asked = isolating.filter(({ ruled }) => ruled.includes(direction))
    const way: Way = { pod: podChainName(direction, [...tiers, keysOf(asked), [denying ?? '']]), policies: keysOf(used), lists: [adminList, auditList].filter((name) => name !== undefined), tellers }
    if (this.#chains.add(way.pod, way.pod)) {
      const chainsOf = (policies: readonly PolicyHead[]): readonly string[] => policies.map(({ key }) => policyChainName(direction, key))
      this.#draft.putChain(podChain(way.pod, direction, {
        tiers: { admin: adminList, isolating: isolating.length === 0 ? undefined : chainsOf(asked), audit: auditList, baseline: chainsOf(baseline) }, keys: tiers.flat(), teller: denying,
      }))
    }
    return way
  }

  /** @returns The name of its chain; undefined when the list is empty. */
  #acquireList(nameOf: typeof adminChainName, direction: Direction, { policies, end }: Pick<PolicyList, 'policies' | 'end'>): string | undefined {
    if (policies.length === 0) return undefined
    const name = nameOf(direction, policies)
    const list: PolicyList = { name, direction, policies, end }
    if (this.#lists.add(name, list)) this.#writeList(list)
    return name
  }

  #writeList({ name, direction, policies, end }: PolicyList): void {
    const rules = policies.flatMap((key) => {
      const policy = this.#inUse.get(key)
      return policy?.chains[direction] === undefined ? [] : asks(direction, policy)
    })
    this.#draft.putChain(chain(name, [...rules, ...(end.length === 0 ? [] : [rule(...end)])], { comment: commentOf(policies.join(' ')) }))
  }

  #release(isolation: Isolation): void {
    for (const { pod, policies, lists, tellers } of Object.values(isolation)) {
      if (this.#chains.remove(pod)) this.#draft.dropChain(pod)
      for (const list of lists) if (this.#lists.remove(list)) this.#draft.dropChain(list)
      this.#tellers.release(tellers)
      this.#inUse.release(policies)
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
