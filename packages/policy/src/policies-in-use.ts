import { type CompiledPolicy, compilePolicy, ruleComment } from './compile.ts'
import type { DomainSets } from './domain-sets.ts'
import { formatPlaces } from './merge-rules.ts'
import { directions, policyChainName } from './names.ts'
import type { NodeSets } from './node-sets.ts'
import type { PeerSets } from './peer-sets.ts'
import type { PolicyHead } from './policy-head.ts'
import { type CompileContext, isSameContext } from './rule-compiler.ts'
import type { TableDraft } from './table-draft.ts'
import type { Tellers } from './tellers.ts'

/** Where the sets are that rules look things up in, and the chains they go to. */
export interface UsedParts {
  readonly peers: PeerSets
  readonly nodes: NodeSets
  readonly domains: DomainSets
  readonly tellers: Tellers
  /** Told of policies that have more rules than the kernel is given, once for each version. */
  readonly onCut: (source: PolicyHead['source'], message: string) => void
}

/** A rule of a policy, by the policy's key and its place: `ingress[0]`. */
export interface CountedRule {
  readonly policy: string
  readonly rule: string
}

/** Policies that some pod of this node has, as chains and sets. Of all others nothing is in the kernel. */
export class PoliciesInUse {
  readonly #draft: TableDraft
  readonly #parts: UsedParts
  readonly #policies = new Map<string, { uses: number, policy: CompiledPolicy }>()
  readonly #told = new WeakSet<PolicyHead['source']>()
  /** Versions of policies that the kernel does not take. */
  readonly #refused = new WeakSet<PolicyHead['source']>()
  #context: CompileContext

  constructor(draft: TableDraft, parts: UsedParts, context: CompileContext) {
    this.#draft = draft
    this.#parts = parts
    this.#context = context
  }

  get context(): CompileContext {
    return this.#context
  }

  get(key: string): CompiledPolicy | undefined {
    return this.#policies.get(key)?.policy
  }

  /** Rules of policies that want each of theirs counted, by their comment. */
  countedRules(): ReadonlyMap<string, CountedRule> {
    const counted = [...this.#policies.values()].map(({ policy: { head } }) => head).filter(({ source }) => source.telling.counters)
    return new Map(counted.flatMap(({ key, source, ruled }) => ruled.flatMap((direction) => [...source[direction]!.keys()].map((index) => {
      const rule = formatPlaces(direction, [index])
      return [ruleComment(key, rule), { policy: key, rule }] as const
    }))))
  }

  acquire(heads: readonly PolicyHead[]): void {
    for (const head of heads) {
      const held = this.#policies.get(head.key)
      if (held !== undefined) held.uses += 1
      else this.#policies.set(head.key, { uses: 1, policy: this.#enter(head) })
    }
  }

  release(keys: readonly string[]): void {
    for (const key of keys) {
      const held = this.#policies.get(key)!
      held.uses -= 1
      if (held.uses > 0) continue
      this.#policies.delete(key)
      this.#leave(held.policy, undefined)
    }
  }

  /** @returns Whether the policy is in use, so that lists that have it written out are to be written anew. */
  replace(head: PolicyHead): boolean {
    const held = this.#policies.get(head.key)
    if (held === undefined) return false
    const before = held.policy
    // What both need must not go away in between.
    held.policy = this.#enter(head)
    this.#leave(before, held.policy)
    return true
  }

  /**
   * The kernel refused something of policies: until they change nothing of them is asked for but that they close.
   *
   * @param names Of chains and sets of theirs.
   * @returns Keys of those policies.
   */
  refuse(names: ReadonlySet<string>, message: string): readonly string[] {
    const isMeant = ({ chains, contents }: CompiledPolicy): boolean => [...Object.values(chains), ...contents].some(({ name }) => names.has(name))
    const found = [...this.#policies.values()].map(({ policy }) => policy).filter((policy) => isMeant(policy) && !this.#refused.has(policy.head.source))
    for (const { head } of found) {
      this.#refused.add(head.source)
      this.#parts.onCut(head.source, `spec is refused by the kernel: ${message}`)
      this.replace(head)
    }
    return found.map(({ head }) => head.key)
  }

  /** @returns Keys of the policies whose rules changed with it. Policies depend on what the DNS Service is, not on where its servers are. */
  setContext(context: CompileContext): readonly string[] {
    const isSame = isSameContext(this.#context, context)
    this.#context = context
    return isSame ? [] : [...this.#policies.values()].flatMap(({ policy: { head } }) => (head.directions.includes('egress') && this.replace(head) ? [head.key] : []))
  }

  #enter(head: PolicyHead): CompiledPolicy {
    const isRefused = this.#refused.has(head.source)
    const policy = compilePolicy(head, isRefused ? { ...this.#context, rulesAtMost: 0 } : this.#context)
    if (!isRefused && policy.cut.length > 0 && !this.#told.has(head.source)) {
      this.#told.add(head.source)
      this.#parts.onCut(head.source, `spec.${policy.cut.join(' and ')} is more than ${this.#context.rulesAtMost} rules of the kernel, wanted fewer different peers and ports`)
    }
    this.#parts.peers.acquire(policy)
    this.#parts.nodes.acquire(policy.nodes)
    this.#parts.domains.acquire(policy.domains)
    this.#parts.tellers.acquire(policy.tellers)
    for (const direction of directions) if (hasOwnChain(policy, direction)) this.#draft.putChain(policy.chains[direction]!)
    return policy
  }

  #leave(policy: CompiledPolicy, next: CompiledPolicy | undefined): void {
    for (const direction of directions) if (hasOwnChain(policy, direction) && !hasOwnChain(next, direction)) this.#draft.dropChain(policyChainName(direction, policy.head.key))
    this.#parts.peers.release(policy)
    this.#parts.nodes.release(policy.nodes)
    this.#parts.domains.release(policy.domains)
    this.#parts.tellers.release(policy.tellers)
  }
}

/** Rules of those that pass are written out elsewhere. */
function hasOwnChain(policy: CompiledPolicy | undefined, direction: (typeof directions)[number]): boolean {
  return policy?.chains[direction] !== undefined && !policy.head.passes.includes(direction)
}
