import { ruleFingerprint } from './batch.ts'
import { diffElements } from './diff-elements.ts'
import { collectionLines, formatBase } from './format-table.ts'
import type { RuleState, TableState } from './nft.ts'
import type { Chain, MapDeclaration, SetDeclaration, Table } from './table.ts'
import { Transaction } from './transaction.ts'

/**
 * The least transaction that turns `current` into `desired`; empty if they are equal.
 *
 * Elements of sets with the `dynamic` flag belong to the packets that made them and are left alone, as are the readings of counters. Rules are compared by
 * fingerprint: equal ones at both ends of a chain stay, with their counters. If the declaration of a set or the hook of a chain changed, which the kernel
 * cannot edit in place, the table is replaced in the same transaction.
 */
export function diffTable(current: TableState | undefined, desired: Table): Transaction {
  const tx = new Transaction(desired)
  if (current === undefined) return tx.addAll(desired)
  if (mustReplace(current.table, desired)) return tx.deleteTable().addAll(desired)
  if (current.table.comment !== desired.comment) return tx.deleteTable().addAll(desired)
  const old = current.table
  for (const counter of missing(desired.counters, old.counters)) tx.addCounter(counter)
  for (const chain of desired.chains) if (isNewOrRepoliced(chain, old)) tx.addChain({ ...chain, rules: [] })
  for (const set of [...missing(desired.sets, old.sets), ...missing(desired.maps, old.maps)]) tx.addSet(set)
  for (const set of desired.sets) diffKept(tx, set, old.sets)
  for (const map of desired.maps) diffKept(tx, map, old.maps)
  for (const chain of desired.chains) diffRules(tx, chain, current.rules.get(chain.name) ?? [])
  // What is left over goes last, when nothing refers to it.
  const chains = missing(old.chains, desired.chains)
  for (const { name } of chains) if ((current.rules.get(name) ?? []).length > 0) tx.flushChain(name)
  for (const set of [...missing(old.sets, desired.sets), ...missing(old.maps, desired.maps)]) tx.deleteSet(set)
  for (const { name } of chains) tx.deleteChain(name)
  for (const { name } of missing(old.counters, desired.counters)) tx.deleteCounter(name)
  return tx
}

function missing<N extends { readonly name: string }>(all: readonly N[], from: readonly { readonly name: string }[]): readonly N[] {
  const names = new Set(from.map(({ name }) => name))
  return all.filter(({ name }) => !names.has(name))
}

function mustReplace(current: Table, desired: Table): boolean {
  const sets = new Map<string, SetDeclaration | MapDeclaration>([...current.sets, ...current.maps].map((set) => [set.name, set]))
  for (const set of [...desired.sets, ...desired.maps]) {
    const old = sets.get(set.name)
    if (old !== undefined && (old.kind !== set.kind || collectionLines(old).join('\n') !== collectionLines(set).join('\n'))) return true
  }
  const chains = new Map(current.chains.map((chain) => [chain.name, chain]))
  return desired.chains.some((chain) => {
    const old = chains.get(chain.name)
    return old !== undefined && (place(old) !== place(chain) || old.comment !== chain.comment)
  })
}

// Everything about a base chain but its policy, which can be changed.
function place(chain: Chain): string | undefined {
  return chain.base === undefined ? undefined : formatBase({ ...chain, base: { ...chain.base, policy: 'accept' } })
}

function isNewOrRepoliced(chain: Chain, current: Table): boolean {
  const old = current.chains.find(({ name }) => name === chain.name)
  return old === undefined || old.base?.policy !== chain.base?.policy
}

function diffKept(tx: Transaction, set: SetDeclaration | MapDeclaration, current: readonly (SetDeclaration | MapDeclaration)[]): void {
  const old = current.find(({ name }) => name === set.name)
  if (old !== undefined && !set.flags.includes('dynamic')) diffElements(tx, set, old.elements)
}

function diffRules(tx: Transaction, chain: Chain, current: readonly RuleState[]): void {
  const wanted = chain.rules.map((rule) => ruleFingerprint(tx.table, rule))
  let head = 0
  while (head < wanted.length && head < current.length && wanted[head] === current[head]!.fingerprint) head++
  let tail = 0
  while (tail < wanted.length - head && tail < current.length - head && wanted.at(-1 - tail) === current.at(-1 - tail)!.fingerprint) tail++
  const next = tail > 0 ? current.at(-tail) : undefined
  for (const rule of chain.rules.slice(head, wanted.length - tail)) {
    if (next === undefined) tx.addRule(chain.name, rule)
    else tx.insertRule(chain.name, rule, { before: next.handle })
  }
  for (const { handle } of current.slice(head, current.length - tail)) tx.deleteRule(chain.name, handle)
}
