import { protocolNumbers } from '@weft/api'
import type { MapDeclaration, MapElement, SetDeclaration, SetElement } from '@weft/nftables'
import type { LocalDns, NodeModel, ServiceModel, VirtualPort } from './model.ts'
import { dropCode, localFlag, refuseCode } from './pick.ts'
import { sets } from './sets.ts'

/** One element of one of our sets or maps, with the text that identifies it. */
export interface Element {
  readonly set: SetDeclaration | MapDeclaration
  /** Equal for equal keys of the same set. */
  readonly id: string
  /** Equal for equal data; empty in sets. */
  readonly value: string
  readonly element: SetElement | MapElement
}

/** The elements of one virtual port. Pure, and in the size of that port alone (P1 of DESIGN.md). */
export function portElements({ ip, protocol, port, kind, backends, local, elsewhere, sources }: VirtualPort): readonly Element[] {
  const { service, local: locals, endpoint, public: open, hairpin, guarded, allowed } = sets[ip.family]
  const number = protocolNumbers[protocol]
  const id = `${ip.bits}.${number}.${port}`
  const key = [ip, number, port] as const
  const elements: Element[] = []
  const list = (of: VirtualPort['backends'], first: number): void => {
    for (const [index, backend] of of.entries()) {
      elements.push(element(endpoint, { key: [...key, first + index], data: [backend.ip, backend.port] }, `${id}.${first + index}`, `${backend.ip.bits}.${backend.port}`))
      if (backend.local) elements.push(element(hairpin, { key: [backend.ip, backend.ip] }, `${backend.ip.bits}`))
    }
  }
  const code = backends.length > 0 ? backends.length : elsewhere ? dropCode : refuseCode
  elements.push(element(service, { key, data: [code] }, id, String(code)))
  list(backends, 0)
  if (local !== undefined && backends.length > 0) {
    elements.push(element(locals, { key, data: [localFlag + local.length] }, id, String(localFlag + local.length)))
    list(local, localFlag)
  }
  if (kind !== 'cluster' && local === undefined) elements.push(element(open, { key }, id))
  if (sources !== undefined) {
    elements.push(element(guarded, { key }, id))
    for (const range of sources) elements.push(element(allowed, { key: [...key, range] }, `${id}.${range.bits}/${range.prefix}`))
  }
  return elements
}

/** What a Service has beside its ports. */
export function serviceElements({ vips, localDns }: ServiceModel): readonly Element[] {
  return [...vips.map((vip) => element(sets[vip.family].vip, { key: [vip] }, `${vip.bits}`)), ...localDns.flatMap(dnsElements)]
}

function dnsElements({ vip, server, serverPort }: LocalDns): readonly Element[] {
  const { dnsPort, dnsServer, dnsVip } = sets[vip.family]
  return [
    element(dnsPort, { key: [vip], data: [serverPort] }, `${vip.bits}`, String(serverPort)),
    element(dnsServer, { key: [vip], data: [server] }, `${vip.bits}`, `${server.bits}`),
    element(dnsVip, { key: [server, serverPort], data: [vip] }, `${server.bits}.${serverPort}`, `${vip.bits}`),
  ]
}

/** The elements that come from nodes and ranges. */
export function nodeElements({ nearRanges, clusterRanges, serviceRanges }: NodeModel): readonly Element[] {
  return ([['near', nearRanges], ['cluster', clusterRanges], ['range', serviceRanges]] as const).flatMap(([name, ranges]) =>
    ranges.map((range) => element(sets[range.family][name], { key: [range] }, `${range.bits}/${range.prefix}`)))
}

function element(set: Element['set'], content: Element['element'], id: string, value = ''): Element {
  return { set, id, value, element: content }
}
