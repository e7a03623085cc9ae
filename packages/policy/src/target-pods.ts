import { formatIp, type IpAddress } from '@weft/ip'
import { chain, counter, goTo, jump, rule, type Statement } from '@weft/nftables'
import { asks, type CompiledPolicy, type Tier } from './compile.ts'
import type { TargetPod } from './model.ts'
import { adminChainName, auditChainName, commentOf, type Direction, directions, podChainName } from './names.ts'
import type { PolicyBook } from './policy-book.ts'
import { References } from './references.ts'
import type { TableDraft } from './table-draft.ts'
import { podChain, sets, unknownPod, verdicts } from './table.ts'
import { type LogTarget, type Teller, tellerOf, type Tellers } from './tellers.ts'

/** What a pod meets in a direction: its chain, those of the lists that it asks, and those that log for it. */
interface Way {
  readonly pod: string
  readonly lists: readonly string[]
  readonly tellers: readonly Teller[]
}

/** The ways of a pod, where it has policies. */
type Isolation = Readonly<Partial<Record<Direction, Way>>>

interface Target {
  readonly pod: TargetPod
  isolation: Isolation
}

/** Policies that some pods have, asked one after the other: Admin policies in their order, or NetworkPolicies in audit mode. */
interface PolicyList {
  readonly name: string
  readonly direction: Direction
  readonly policies: readonly { readonly namespace: string | undefined, readonly key: string }[]
  /** What becomes of what none of them decides; nothing to go on after the list. */
  readonly end: readonly Statement[]
}

const unknown: Way = { pod: unknownPod, lists: [], tellers: [] }
const closed: Isolation = { ingress: unknown, egress: unknown }

/** Pods of this node and the chains that their policies give them. */
export class TargetPods {
  readonly #draft: TableDraft
  readonly #book: PolicyBook
  readonly #targets = new Map<string, Target>()
  readonly #byNamespace = new Map<string, Set<string>>()
  /** Targets by address, in the order they came: the last one has it. */
  readonly #claims = new Map<string, readonly string[]>()
  readonly #chains = new References<string>()
  readonly #lists = new References<PolicyList>()
  readonly #tellers: Tellers
  readonly #log: LogTarget | undefined

  constructor(draft: TableDraft, book: PolicyBook, { tellers, log }: { readonly tellers: Tellers, readonly log: LogTarget | undefined }) {
    this.#draft = draft
    this.#book = book
    this.#tellers = tellers
    this.#log = log
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
    const touched = new Map([...before?.pod.ips ?? [], ...pod?.ips ?? []].map((ip) => [formatIp(ip), ip]))
    if (before !== undefined) this.#leave(key, before.pod)
    if (pod === undefined) this.#targets.delete(key)
    else this.#enter(key, { pod, isolation: this.#acquire(pod) })
    for (const [address, ip] of touched) this.#place(address, ip)
    // The old chains go last: pods that keep them must not lose them in between.
    if (before !== undefined) this.#release(before.isolation)
  }

  /** Pods that one of the policies is about. */
  concerned(policies: readonly CompiledPolicy[]): readonly TargetPod[] {
    return [...this.#concerned(policies)].map(({ pod }) => pod)
  }

  /** Which pods these policies select changed. */
  refresh(policies: readonly CompiledPolicy[]): void {
    for (const target of this.#concerned(policies)) this.#refresh(target)
  }

  /** By what policies of the cluster select the pods of a namespace changed. */
  refreshNamespace(namespace: string): readonly TargetPod[] {
    const targets = [...this.#byNamespace.get(namespace) ?? []].map((key) => this.#targets.get(key)!)
    for (const target of targets) this.#refresh(target)
    return targets.map(({ pod }) => pod)
  }

  /** The rules of a policy changed: lists that have them written out have the new ones. */
  rewrite({ key }: CompiledPolicy): void {
    for (const list of this.#lists.values()) if (list.policies.some((each) => each.key === key)) this.#writeList(list)
  }

  *#concerned(policies: readonly CompiledPolicy[]): Iterable<Target> {
    const namespaces = policies.map(({ subject }) => subject.namespace)
    const keys = namespaces.includes(undefined) ? this.#targets.keys() : namespaces.flatMap((namespace) => [...this.#byNamespace.get(namespace!) ?? []])
    for (const key of new Set(keys)) {
      const target = this.#targets.get(key)!
      const { identity } = target.pod
      if (identity !== undefined && policies.some((policy) => this.#book.concerns(policy, identity))) yield target
    }
  }

  #refresh(target: Target): void {
    const before = target.isolation
    target.isolation = this.#acquire(target.pod)
    for (const ip of target.pod.ips) this.#place(formatIp(ip), ip)
    this.#release(before)
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
    const policies = identity === undefined ? undefined : this.#book.of(identity)
    if (policies === undefined) return closed
    const isolation: Partial<Record<Direction, Way>> = {}
    for (const direction of directions) {
      const own = policies.filter(({ chains }) => chains[direction] !== undefined)
      const of = (tier: Tier): readonly CompiledPolicy[] => own.filter((policy) => policy.tier === tier)
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

  #acquireWay(direction: Direction, { admin, isolating, audited, baseline }: Readonly<Record<'admin' | 'isolating' | 'audited' | 'baseline', readonly CompiledPolicy[]>>): Way {
    const keysOf = (policies: readonly CompiledPolicy[]): readonly string[] => policies.map(({ key }) => key)
    const tellers: Teller[] = []
    const tell = (verdict: 'denied' | 'audit', policies: readonly CompiledPolicy[]): string | undefined => {
      if (policies.length === 0 || this.#log === undefined) return undefined
      const teller = tellerOf({ verdict, direction, policies: keysOf(policies), rule: undefined }, verdict === 'audit' ? [] : verdicts[direction].Deny, this.#log)
      tellers.push(teller)
      return teller.chain.name
    }
    const denying = tell('denied', isolating.filter(({ source: { telling } }) => telling.log === 'denied' || telling.log === 'all'))
    const auditing = tell('audit', audited)
    const adminList = this.#acquireList(adminChainName(direction, keysOf(admin)), direction, { policies: admin, end: [] })
    const auditList = this.#acquireList(auditChainName(direction, keysOf(audited)), direction, { policies: audited, end: [counter(), ...(auditing === undefined ? [] : [goTo(auditing)])] })
    this.#tellers.acquire(tellers)
    const tiers = [admin, isolating, baseline, audited].map(keysOf)
    const way: Way = { pod: podChainName(direction, [...tiers, [denying ?? '']]), lists: [adminList, auditList].filter((name) => name !== undefined), tellers }
    if (this.#chains.add(way.pod, way.pod)) {
      const chainsOf = (policies: readonly CompiledPolicy[]): readonly string[] => policies.map(({ chains }) => chains[direction]!.name)
      this.#draft.putChain(podChain(way.pod, direction, {
        tiers: { admin: adminList, isolating: isolating.length === 0 ? undefined : chainsOf(isolating), audit: auditList, baseline: chainsOf(baseline) }, keys: tiers.flat(), teller: denying,
      }))
    }
    return way
  }

  /** @returns The name of its chain; undefined when the list is empty. */
  #acquireList(name: string, direction: Direction, { policies, end }: { readonly policies: readonly CompiledPolicy[], readonly end: readonly Statement[] }): string | undefined {
    if (policies.length === 0) return undefined
    const list: PolicyList = { name, direction, policies: policies.map(({ key, subject }) => ({ namespace: subject.namespace, key })), end }
    if (this.#lists.add(name, list)) this.#writeList(list)
    return name
  }

  #writeList({ name, direction, policies, end }: PolicyList): void {
    const rules = policies.flatMap(({ namespace, key }) => {
      const policy = this.#book.get(namespace, key)
      return policy?.chains[direction] === undefined ? [] : asks(direction, policy, jump)
    })
    this.#draft.putChain(chain(name, [...rules, ...(end.length === 0 ? [] : [rule(...end)])], { comment: commentOf(policies.map(({ key }) => key).join(' ')) }))
  }

  #release(isolation: Isolation): void {
    for (const { pod, lists, tellers } of Object.values(isolation)) {
      if (this.#chains.remove(pod)) this.#draft.dropChain(pod)
      for (const list of lists) if (this.#lists.remove(list)) this.#draft.dropChain(list)
      this.#tellers.release(tellers)
    }
  }

  /** The elements of an address, for whoever has it now. */
  #place(address: string, ip: IpAddress): void {
    const holder = this.#claims.get(address)?.at(-1)
    const isolation: Isolation = holder === undefined ? {} : this.#targets.get(holder)!.isolation
    const { [ip.family]: own } = sets
    for (const direction of directions) {
      const way = isolation[direction]
      if (way === undefined) this.#draft.dropElement(own[direction].name, address)
      else this.#draft.putElement(own[direction].name, address, { key: [ip], data: goTo(way.pod) }, way.pod)
    }
    const isOpenToItself = isolation !== closed && Object.keys(isolation).length > 0
    if (isOpenToItself) this.#draft.putElement(own.self.name, address, { key: [ip, ip] })
    else this.#draft.dropElement(own.self.name, address)
  }
}
