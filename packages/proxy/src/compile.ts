import { protocolNumbers } from '@weft/api'
import { parseCidr } from '@weft/ip'
import type { MapDeclaration, MapElement, SetDeclaration, SetElement, Table } from '@weft/nftables'
import type { ProxyConfig } from './config.ts'
import { ElementCounts } from './element-counts.ts'
import type { NodeModel, ServiceModel } from './model.ts'
import { type Family, nodePorts, pickElement, proxyTable, sets } from './table.ts'

/** One element of one of our sets or maps, with the text that identifies it. */
export interface Element {
  readonly set: SetDeclaration | MapDeclaration
  /** Equal for equal keys of the same set. */
  readonly id: string
  /** Equal for equal data; empty in sets. */
  readonly value: string
  readonly element: SetElement | MapElement
}

/**
 * The elements of one Service. Pure, and in the size of that Service alone (promise P7): nothing here
 * depends on how many others there are.
 */
export function compileService(service: ServiceModel): readonly Element[] {
  const elements: Element[] = []
  for (const vip of service.vips) elements.push(element(sets[vip.family].vip, { key: [vip] }, `${vip.bits}`))
  for (const { ip, protocol, port, kind, backends } of service.ports) {
    const { service: counts, endpoint, hairpin } = sets[ip.family]
    const number = protocolNumbers[protocol]
    const id = `${ip.bits}.${number}.${port}`
    if (kind === 'node') elements.push(element(nodePorts, { key: [number, port] }, `${number}.${port}`))
    if (backends.length === 0) continue
    elements.push(element(counts, { key: [ip, number, port], data: [backends.length] }, id, String(backends.length)))
    for (const [index, backend] of backends.entries()) {
      elements.push(element(endpoint, { key: [ip, number, port, index], data: [backend.ip, backend.port] }, `${id}.${index}`, `${backend.ip.bits}.${backend.port}`))
      if (backend.local) elements.push(element(hairpin, { key: [backend.ip, backend.ip] }, `${backend.ip.bits}`))
    }
  }
  return elements
}

/** The elements that come from nodes and configuration. */
export function compileNode(node: NodeModel, config: ProxyConfig): readonly Element[] {
  return [
    ...node.nodePortIps.map((ip) => element(sets[ip.family].node, { key: [ip] }, `${ip.bits}`)),
    ...node.clusterRanges.map((range) => element(sets[range.family].cluster, { key: [range] }, `${range.bits}/${range.prefix}`)),
    ...config.serviceCidrs.map(parseCidr).map((range) => element(sets[range.family].range, { key: [range] }, `${range.bits}/${range.prefix}`)),
  ]
}

/**
 * The whole table, for the first load and for comparison with the kernel. Pure; equal models give
 * equal tables whatever the order of Services (promise P11).
 */
export function compileProxy(node: NodeModel, services: Iterable<ServiceModel>, config: ProxyConfig): Table {
  const counts = new ElementCounts()
  const localDns = []
  for (const service of [...services].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    counts.add(compileService(service))
    localDns.push(...service.localDns)
  }
  counts.add(compileNode(node, config))
  return compileTable(node, localDns, counts)
}

/** The table around elements that are already counted. */
export function compileTable(node: NodeModel, localDns: ServiceModel['localDns'], elements: ElementCounts): Table {
  const used = { 4: elements.backendCounts(4), 6: elements.backendCounts(6) }
  const fill = <T extends SetDeclaration | MapDeclaration>(declaration: T): T => ({ ...declaration, elements: elements.of(declaration.name) })
  const families: readonly Family[] = [4, 6]
  return proxyTable({ node, localDns, counts: used }, {
    sets: [...families.flatMap((family) => { const { vip, hairpin, node: nodes, cluster, range } = sets[family]; return [vip, hairpin, nodes, cluster, range].map(fill) }), fill(nodePorts)],
    maps: families.flatMap((family) => [
      fill(sets[family].service),
      fill(sets[family].endpoint),
      { ...sets[family].pick, elements: used[family].map((count) => pickElement(family, count)) },
    ]),
  })
}

function element(set: Element['set'], content: Element['element'], id: string, value = ''): Element {
  return { set, id, value, element: content }
}
