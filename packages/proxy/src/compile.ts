import type { Table } from '@weft/nftables'
import { ElementCounts } from './element-counts.ts'
import { nodeElements, portElements, serviceElements } from './elements.ts'
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
  const { after } = new VirtualPorts().replace(models.map((now) => ({ old: undefined, now })))
  const elements = new ElementCounts()
  elements.add(nodeElements(node))
  for (const model of models) elements.add(serviceElements(model))
  for (const port of after) elements.add(portElements(port))
  return compileTable(node, elements)
}

/** The table around elements that are already counted. */
export function compileTable(node: NodeModel, elements: ElementCounts): Table {
  const codes = { 4: codesOf(elements, 4), 6: codesOf(elements, 6) }
  const picks = new Map(families.map((family) => [sets[family].pick, codes[family].map((code) => pickElement(family, code))]))
  return proxyTable({ nodeIps: node.ips, codes }, {
    sets: allSets.map((set) => ({ ...set, elements: elements.of(set.name) })),
    maps: allMaps.map((map) => ({ ...map, elements: picks.get(map) ?? elements.of(map.name) })),
  })
}

/** Those in use, and the two that are always there. */
function codesOf(elements: ElementCounts, family: Family): readonly number[] {
  return [...new Set([refuseCode, dropCode, ...elements.codes(family)])].sort((a, b) => a - b)
}
