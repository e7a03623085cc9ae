import { atOnce } from '@weft/netlink'
import { ruleFingerprint } from './batch.ts'
import { diffingElements } from './diff-elements.ts'
import { collectionLines, formatBase } from './format-table.ts'
import type { RuleState, TableState } from './nft.ts'
import { referencesOf } from './references.ts'
import type { Chain, MapDeclaration, Rule, SetDeclaration, Table, TableName } from './table.ts'
import { Transaction } from './transaction.ts'

/**
 * The least transaction that turns `current` into `desired`; empty if they are equal.
 *
 * Elements of sets with the `dynamic` flag belong to the packets that made them and are left alone, as are the readings of counters. Rules are compared by
 * fingerprint: equal ones at both ends of a chain stay, with their counters. What the kernel cannot edit in place, the declaration of a set and the hook of a
 * base chain, is deleted and made anew in the same transaction, with the rules that name it; everything else stays. Only another comment of the table, or a
 * chain that becomes a base chain, replaces the whole table.
 */
export function diffTable(current: TableState | undefined, desired: Table): Transaction {
  return atOnce(diffingTable(current, desired))
}

/** {@link diffTable}, interrupted now and then. */
export function* diffingTable(current: TableState | undefined, desired: Table): Generator<void, Transaction> {
  const tx = new Transaction(desired)
  if (current === undefined) return tx.addAll(desired)
  const whole = current.table
  if (whole.comment !== desired.comment || desired.chains.some((chain) => isOtherKind(chain, whole))) return tx.deleteTable().addAll(desired)
  const redeclared = [...desired.sets, ...desired.maps].flatMap((set) => [...whole.sets, ...whole.maps].find((old) => old.name === set.name && !isSameDeclaration(old, set)) ?? [])
  const rehooked = desired.chains.filter((chain) => whole.chains.some((old) => old.name === chain.name && place(old) !== place(chain)))
  const gone = missing(whole.chains, desired.chains)
  const anew = new Set([...redeclared, ...rehooked].map(({ name }) => name))
  const edits = desired.chains.map((chain) => editsOf(tx.table, chain, { current: rehooked.includes(chain) ? [] : current.rules.get(chain.name) ?? [], redeclared: anew }))
  if (anew.size > 0) {
    for (const { chain, surplus } of edits) for (const { handle } of surplus) tx.deleteRule(chain, handle)
    for (const { name } of [...gone, ...rehooked]) if ((current.rules.get(name) ?? []).length > 0) tx.flushChain(name)
    for (const { name } of rehooked) tx.deleteChain(name)
    for (const set of redeclared) tx.deleteSet(set)
  }
  const old: Table = anew.size === 0 ? whole : { ...whole, sets: without(whole.sets, anew), maps: without(whole.maps, anew), chains: without(whole.chains, anew) }
  for (const counter of missing(desired.counters, old.counters)) tx.addCounter(counter)
  for (const chain of desired.chains) if (isNewOrRepoliced(chain, old)) tx.addChain({ ...chain, rules: [] })
  for (const set of [...missing(desired.sets, old.sets), ...missing(desired.maps, old.maps)]) tx.addSet(set)
  for (const set of desired.sets) yield* diffKept(tx, set, old.sets)
  for (const map of desired.maps) yield* diffKept(tx, map, old.maps)
  for (const { chain, added, before, surplus } of edits) {
    for (const rule of added) {
      if (before === undefined) tx.addRule(chain, rule)
      else tx.insertRule(chain, rule, { before })
    }
    if (anew.size === 0) for (const { handle } of surplus) tx.deleteRule(chain, handle)
  }
  // What is left over goes last, when nothing refers to it.
  if (anew.size === 0) for (const { name } of gone) if ((current.rules.get(name) ?? []).length > 0) tx.flushChain(name)
  for (const set of [...missing(old.sets, desired.sets), ...missing(old.maps, desired.maps)]) tx.deleteSet(set)
  for (const { name } of gone) tx.deleteChain(name)
  for (const { name } of missing(old.counters, desired.counters)) tx.deleteCounter(name)
  return tx
}

function isSameDeclaration(old: SetDeclaration | MapDeclaration, set: SetDeclaration | MapDeclaration): boolean {
  return old.kind === set.kind && collectionLines(old).join('\n') === collectionLines(set).join('\n')
}

function without<N extends { readonly name: string }>(all: readonly N[], names: ReadonlySet<string>): readonly N[] {
  return all.filter(({ name }) => !names.has(name))
}

function missing<N extends { readonly name: string }>(all: readonly N[], from: readonly { readonly name: string }[]): readonly N[] {
  const names = new Set(from.map(({ name }) => name))
  return all.filter(({ name }) => !names.has(name))
}

/** A chain that rules may jump to cannot become a base chain, and a comment cannot change, while they do. */
function isOtherKind(chain: Chain, current: Table): boolean {
  const old = current.chains.find(({ name }) => name === chain.name)
  return old !== undefined && ((old.base === undefined) !== (chain.base === undefined) || old.comment !== chain.comment)
}

// Everything about a base chain but its policy, which can be changed.
function place(chain: Chain): string | undefined {
  return chain.base === undefined ? undefined : formatBase({ ...chain, base: { ...chain.base, policy: 'accept' } })
}

function isNewOrRepoliced(chain: Chain, current: Table): boolean {
  const old = current.chains.find(({ name }) => name === chain.name)
  return old === undefined || old.base?.policy !== chain.base?.policy
}

function* diffKept(tx: Transaction, set: SetDeclaration | MapDeclaration, current: readonly (SetDeclaration | MapDeclaration)[]): Generator<void, void> {
  const old = current.find(({ name }) => name === set.name)
  if (old !== undefined && !set.flags.includes('dynamic')) yield* diffingElements(tx, set, old.elements)
}

/** What is to be done to the rules of a chain. */
interface ChainEdits {
  readonly chain: string
  readonly added: readonly Rule[]
  /** Handle of the rule they come before; at the end without. */
  readonly before: bigint | undefined
  readonly surplus: readonly RuleState[]
}

/** @param sources.redeclared Names that the kernel will have anew: a rule that has one of them cannot stay. */
function editsOf(table: TableName, chain: Chain, { current, redeclared }: { readonly current: readonly RuleState[], readonly redeclared: ReadonlySet<string> }): ChainEdits {
  const wanted = chain.rules.map((rule) => {
    const { sets, chains } = redeclared.size === 0 ? { sets: [], chains: [] } : referencesOf(rule)
    return [...sets, ...chains].some((name) => redeclared.has(name)) ? 'new' : ruleFingerprint(table, rule)
  })
  let head = 0
  while (head < wanted.length && head < current.length && wanted[head] === current[head]!.fingerprint) head++
  let tail = 0
  while (tail < wanted.length - head && tail < current.length - head && wanted.at(-1 - tail) === current.at(-1 - tail)!.fingerprint) tail++
  return { chain: chain.name, added: chain.rules.slice(head, wanted.length - tail), before: tail > 0 ? current.at(-tail)!.handle : undefined, surplus: current.slice(head, current.length - tail) }
}
