import { type MapDeclaration, type MapElement, type SetDeclaration, type SetElement, type Table, Transaction } from '@weft/nftables'
import { tables } from '@weft/api'
import { atOnce } from '@weft/netlink'
import { type Element, nodeElements, portCodes, portElements, serviceElements } from './elements.ts'
import { lesserTable } from './lesser-table.ts'
import type { NodeModel, ServiceModel } from './model.ts'
import { dropCode, refuseCode } from './pick.ts'
import { allMaps, allSets, families, sets } from './sets.ts'
import { isShared } from './shared-elements.ts'
import { pickElement, proxyTable, type TableContext } from './table.ts'
import { VirtualPorts } from './virtual-ports.ts'

/** What a table is made of: who has which port is known already. */
export interface TableModel {
  readonly node: NodeModel
  readonly services: Iterable<ServiceModel>
  readonly ports: VirtualPorts
}

/**
 * The whole table, for the first load and for comparison with the kernel. Pure; equal models give
 * equal tables whatever the order of Services (promise P11).
 */
export function compileProxy(node: NodeModel, services: Iterable<ServiceModel>): Table {
  const models = [...services]
  const ports = new VirtualPorts()
  atOnce(ports.load(models))
  return compileTable({ node, services: models, ports })
}

export function compileTable(model: TableModel): Table {
  return atOnce(compilingTable(model))
}

/** {@link compileTable}, interrupted now and then. */
export function* compilingTable(model: TableModel): Generator<void, Table> {
  const bySet = new Map<string, (SetElement | MapElement)[]>()
  const codes = { 4: new Set<number>(), 6: new Set<number>() }
  let count = 0
  for (const { set, element } of allElements(model)) {
    bySet.getOrInsertComputed(set.name, () => []).push(element)
    if (++count % perTurn === 0) yield
  }
  for (const port of model.ports.served()) for (const code of Object.values(portCodes(port))) if (code !== undefined) codes[port.ip.family].add(code)
  return compileFrame({ node: model.node, codes: { 4: [...codes[4]], 6: [...codes[6]] }, hasDns: families.some((family) => bySet.has(sets[family].dnsVip.name)) }, bySet)
}

/** So many elements are made before others get a turn: about a millisecond. */
const perTurn = 1000

const dynamic: ReadonlySet<MapDeclaration> = new Set(families.map((family) => sets[family].affinity))

/**
 * The table around the elements.
 *
 * @param context Its codes are those in use; the two that pick nobody are always there.
 * @param bySet Elements by the name of their set; absent ones are empty.
 */
export function compileFrame({ node, codes, hasDns }: TableContext, bySet: ReadonlyMap<string, readonly (SetElement | MapElement)[]> = new Map()): Table {
  const all = { 4: inOrder(codes[4]), 6: inOrder(codes[6]) }
  const picks = new Map(families.map((family) => [sets[family].pick, all[family].map((code) => pickElement(family, code))]))
  return lesserTable(proxyTable({ node, codes: all, hasDns }, {
    sets: allSets.map((set) => ({ ...set, elements: bySet.get(set.name) ?? [] })),
    maps: allMaps.map((map) => ({ ...map, ...(dynamic.has(map) ? { size: node.affinityClients } : {}), elements: picks.get(map) ?? (bySet.get(map.name) ?? []) as MapElement[] })),
  }), node.lacks)
}

function inOrder(codes: readonly number[]): readonly number[] {
  return [...new Set([refuseCode, dropCode, ...codes])].sort((a, b) => a - b)
}

/** Every element but those of `pick`, each once. */
function* allElements({ node, services, ports }: TableModel): Generator<Element, void> {
  yield* nodeElements(node)
  const known = new Set<string>()
  for (const model of services) yield* onlyNew(serviceElements(model), known)
  for (const port of ports.served()) yield* onlyNew(portElements(port), known)
}

function* onlyNew(elements: readonly Element[], known: Set<string>): Generator<Element, void> {
  for (const element of elements) {
    if (isShared(element.set)) {
      const key = `${element.set.name} ${element.id}`
      if (known.has(key)) continue
      known.add(key)
    }
    yield element
  }
}

/** So many elements are committed at a time: a few milliseconds. */
export const pieceSize = 4000

/**
 * A table that is not there yet, in pieces: first sets, then their elements, at last what acts. Whoever is interrupted between two of them leaves
 * data that nothing uses.
 */
export function* tablePieces(model: TableModel, context: TableContext): Generator<Transaction, void> {
  const name = { family: 'inet', name: tables.proxy } as const
  const frame = compileFrame(context)
  const declared = new Transaction(name).addTable()
  for (const set of [...frame.sets, ...frame.maps]) declared.addSet({ ...set, elements: [] })
  yield declared
  let piece = new Map<SetDeclaration | MapDeclaration, (SetElement | MapElement)[]>()
  let count = 0
  const flush = (): Transaction => {
    const transaction = new Transaction(name)
    for (const [set, elements] of piece) addElements(transaction, set, elements)
    piece = new Map()
    count = 0
    return transaction
  }
  for (const { set, element } of allElements(model)) {
    piece.getOrInsertComputed(set, () => []).push(element)
    count += 1
    if (count === pieceSize) yield flush()
  }
  yield flush()
  const acting = new Transaction(name)
  for (const chain of frame.chains) acting.addChain({ ...chain, rules: [] })
  for (const set of [...frame.sets, ...frame.maps]) addElements(acting, set, set.elements)
  for (const chain of frame.chains) for (const rule of chain.rules) acting.addRule(chain.name, rule)
  yield acting
}

export function addElements(transaction: Transaction, set: SetDeclaration | MapDeclaration, elements: readonly (SetElement | MapElement)[]): void {
  if (set.kind === 'map') transaction.addElements(set, elements as readonly MapElement[])
  else transaction.addElements(set, elements)
}
