import type { MapDeclaration, MapElement, SetDeclaration, Table } from '@weft/nftables'
import { type Element, nodeElements, portElements, serviceElements } from './elements.ts'
import type { NodeModel, ServiceModel } from './model.ts'
import { dropCode, refuseCode } from './pick.ts'
import { allMaps, allSets, families, type Family, sets } from './sets.ts'
import { pickElement, proxyTable } from './table.ts'
import { VirtualPorts } from './virtual-ports.ts'

/**
 * The whole table, for the first load and for comparison with the kernel. Pure; equal models give
 * equal tables whatever the order of Services (promise P11).
 */
export function compileProxy(node: NodeModel, services: Iterable<ServiceModel>): Table {
  const models = [...services]
  const ports = new VirtualPorts()
  ports.load(models)
  return compileTable(node, models, ports)
}

const dynamic: ReadonlySet<MapDeclaration> = new Set(families.map((family) => sets[family].affinity))

/** The table when it is known already who has which port. */
export function compileTable(node: NodeModel, models: Iterable<ServiceModel>, ports: VirtualPorts): Table {
  const bySet = new Map<string, Map<string, Element>>([...allSets, ...allMaps].map(({ name }) => [name, new Map<string, Element>()]))
  const put = (elements: readonly Element[]): void => {
    for (const element of elements) bySet.get(element.set.name)!.set(element.id, element)
  }
  put(nodeElements(node))
  for (const model of models) put(serviceElements(model))
  for (const port of ports.served()) put(portElements(port))
  const codes = { 4: codesOf(bySet, 4), 6: codesOf(bySet, 6) }
  const picks = new Map(families.map((family) => [sets[family].pick, codes[family].map((code) => pickElement(family, code))]))
  const elementsOf = ({ name, flags }: SetDeclaration | MapDeclaration): readonly Element['element'][] => {
    const elements = [...bySet.get(name)!]
    // All others are sorted by whoever prints them.
    if (flags.includes('interval')) elements.sort(([a], [b]) => (a < b ? -1 : 1))
    return elements.map(([, { element }]) => element)
  }
  return proxyTable({ node, codes }, {
    sets: allSets.map((set) => ({ ...set, elements: elementsOf(set) })),
    maps: allMaps.map((map) => ({ ...map, ...(dynamic.has(map) ? { size: node.affinityClients } : {}), elements: picks.get(map) ?? elementsOf(map) as MapElement[] })),
  })
}

/** Those in use, and the two that are always there. */
function codesOf(bySet: ReadonlyMap<string, ReadonlyMap<string, Element>>, family: Family): readonly number[] {
  const codes = new Set([refuseCode, dropCode])
  for (const { name } of [sets[family].service, sets[family].local]) for (const { value } of bySet.get(name)!.values()) codes.add(Number(value))
  return [...codes].sort((a, b) => a - b)
}
