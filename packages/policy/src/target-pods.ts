import { formatIp, type IpAddress } from '@weft/ip'
import { chain, goTo, jump } from '@weft/nftables'
import { asks, type CompiledPolicy, type Tier } from './compile.ts'
import type { TargetPod } from './model.ts'
import { adminChainName, commentOf, type Direction, directions, podChainName } from './names.ts'
import type { PolicyBook } from './policy-book.ts'
import { References } from './references.ts'
import type { TableDraft } from './table-draft.ts'
import { podChain, sets, unknownPod } from './table.ts'

/** What a pod meets in a direction: its chain, and that of its Admin policies. */
interface Way {
  readonly pod: string
  readonly admin: string | undefined
}

/** The ways of a pod, where it has policies. */
type Isolation = Readonly<Partial<Record<Direction, Way>>>

interface Target {
  readonly pod: TargetPod
  isolation: Isolation
}

/** Admin policies that some pods have, in their order. */
interface AdminList {
  readonly name: string
  readonly direction: Direction
  readonly policies: readonly { readonly namespace: string | undefined, readonly key: string }[]
}

const unknown: Way = { pod: unknownPod, admin: undefined }
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
  readonly #adminLists = new References<AdminList>()

  constructor(draft: TableDraft, book: PolicyBook) {
    this.#draft = draft
    this.#book = book
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

  /** The rules of an Admin policy changed: lists that have them written out have the new ones. */
  rewrite({ key }: CompiledPolicy): void {
    for (const list of this.#adminLists.values()) if (list.policies.some((each) => each.key === key)) this.#writeAdminList(list)
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
      const [admin, isolating] = [of('Admin'), of('NetworkPolicy')]
      // Baseline is for pods that no NetworkPolicy selects.
      const baseline = isolating.length === 0 ? of('Baseline') : []
      if (admin.length + isolating.length + baseline.length > 0) isolation[direction] = this.#acquireWay(direction, { admin, isolating, baseline })
    }
    return isolation
  }

  #acquireWay(direction: Direction, { admin, isolating, baseline }: { readonly admin: readonly CompiledPolicy[], readonly isolating: readonly CompiledPolicy[], readonly baseline: readonly CompiledPolicy[] }): Way {
    const tiers = [admin, isolating, baseline].map((policies) => policies.map(({ key }) => key))
    const way: Way = { pod: podChainName(direction, tiers), admin: admin.length === 0 ? undefined : adminChainName(direction, tiers[0]!) }
    if (way.admin !== undefined) {
      const list: AdminList = { name: way.admin, direction, policies: admin.map(({ key, subject }) => ({ namespace: subject.namespace, key })) }
      if (this.#adminLists.add(list.name, list)) this.#writeAdminList(list)
    }
    if (this.#chains.add(way.pod, way.pod)) {
      const chainsOf = (policies: readonly CompiledPolicy[]): readonly string[] => policies.map(({ chains }) => chains[direction]!.name)
      this.#draft.putChain(podChain(way.pod, direction, {
        tiers: { admin: way.admin, isolating: isolating.length === 0 ? undefined : chainsOf(isolating), baseline: chainsOf(baseline) }, keys: tiers.flat(),
      }))
    }
    return way
  }

  #writeAdminList({ name, direction, policies }: AdminList): void {
    const rules = policies.flatMap(({ namespace, key }) => {
      const policy = this.#book.get(namespace, key)
      return policy?.chains[direction] === undefined ? [] : asks(direction, policy, jump)
    })
    this.#draft.putChain(chain(name, rules, { comment: commentOf(policies.map(({ key }) => key).join(' ')) }))
  }

  #release(isolation: Isolation): void {
    for (const { pod, admin } of Object.values(isolation)) {
      if (this.#chains.remove(pod)) this.#draft.dropChain(pod)
      if (admin !== undefined && this.#adminLists.remove(admin)) this.#draft.dropChain(admin)
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
