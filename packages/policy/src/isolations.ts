import { chain, counter, goTo, rule, type Statement } from '@weft/nftables'
import { asks } from './compile.ts'
import { adminChainName, auditChainName, commentOf, type Direction, directions, podChainName, policyChainName } from './names.ts'
import type { PoliciesInUse } from './policies-in-use.ts'
import { compareHeads, type PolicyHead, type Tier } from './policy-head.ts'
import { References } from './references.ts'
import type { TableDraft } from './table-draft.ts'
import { podChain, unknownPod, verdicts } from './table.ts'
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
export type Isolation = Readonly<Partial<Record<Direction, Way>>>

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
/** Of pods the API does not know. */
export const closed: Isolation = { ingress: unknown, egress: unknown }

/** Chains that lists of policies give to pods, shared by all pods that have the same. */
export class Isolations {
  readonly #draft: TableDraft
  readonly #inUse: PoliciesInUse
  readonly #tellers: Tellers
  readonly #chains = new References<string>()
  readonly #lists = new References<PolicyList>()

  constructor(draft: TableDraft, { inUse, tellers }: { readonly inUse: PoliciesInUse, readonly tellers: Tellers }) {
    this.#draft = draft
    this.#inUse = inUse
    this.#tellers = tellers
  }

  /** The rules of these policies changed: lists that have them written out are to have the new ones. */
  rewrite(keys: ReadonlySet<string>): void {
    if (keys.size > 0) for (const list of this.#lists.values()) if (list.policies.some((key) => keys.has(key))) this.#writeList(list)
  }

  /**
   * The chains of a pod, made where they are new.
   *
   * @param policies Those that select it.
   * @param lost Where it is closed whatever they say.
   */
  acquire(policies: Iterable<PolicyHead>, lost: readonly Direction[]): Isolation {
    const isolation: Partial<Record<Direction, Way>> = {}
    const heads = [...policies].sort(compareHeads)
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

  release(isolation: Isolation): void {
    for (const { pod, policies, lists, tellers } of Object.values(isolation)) {
      if (this.#chains.remove(pod)) this.#draft.dropChain(pod)
      for (const list of lists) if (this.#lists.remove(list)) this.#draft.dropChain(list)
      this.#tellers.release(tellers)
      this.#inUse.release(policies)
    }
  }
}
