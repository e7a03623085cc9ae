import { protocolNumbers } from '@weft/api'
import { isLoopback } from '@weft/ip'
import type { MapDeclaration, MapElement, SetDeclaration, SetElement, Value } from '@weft/nftables'
import { backendKey } from './backends.ts'
import type { Affinity, Backend, LocalDns, NodeModel, ServiceModel, VirtualPort } from './model.ts'
import { codeOf, dropCode, localFlag, refuseCode } from './pick.ts'
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

/** Codes of one virtual port (see pick.ts): for all clients, and for those that are not on this node if they differ. */
export function portCodes({ backends, local, elsewhere, affinity }: VirtualPort): { readonly service: number, readonly local: number | undefined } {
  const seconds = affinity?.seconds
  return {
    service: backends.length > 0 ? codeOf({ count: backends.length, local: false, seconds }) : elsewhere ? dropCode : refuseCode,
    local: local === undefined || backends.length === 0 ? undefined : local.length === 0 ? dropCode : codeOf({ count: local.length, local: true, seconds }),
  }
}

/** The elements of one virtual port. Pure, and in the size of that port alone (V1 of DESIGN.md). */
export function portElements(virtual: VirtualPort): readonly Element[] {
  const { ip, protocol, port, kind, backends, local, held, affinity, sources } = virtual
  const { service, checked, local: locals, endpoint, affinityPort, choice, slot, localSlot, public: open, kept, loopback, guarded, allowed } = sets[ip.family]
  const number = protocolNumbers[protocol]
  const id = `${ip.bits}.${number}.${port}`
  const key = [ip, number, port] as const
  const codes = portCodes(virtual)
  const elements: Element[] = [element(sources === undefined && codes.local === undefined ? service : checked, { key, data: [codes.service] }, id, String(codes.service))]
  const list = (of: VirtualPort['backends'], first: number): void => {
    for (const [index, backend] of of.entries()) {
      const at = `${id}.${first + index}`
      if (affinity === undefined) elements.push(element(endpoint, { key: [...key, first + index], data: [backend.ip, backend.port] }, at, `${backend.ip.bits}.${backend.port}`))
      else elements.push(element(choice, { key: [...key, first + index], data: [idOf(affinity, backend)] }, at, String(idOf(affinity, backend))))
    }
    if (affinity !== undefined) elements.push(...slotElements(first === 0 ? slot : localSlot, { key, id, backends: of, affinity }))
  }
  if (affinity !== undefined) elements.push(element(affinityPort, { key, data: [affinity.port] }, id, String(affinity.port)))
  list(backends, 0)
  if (local !== undefined && codes.local !== undefined) {
    elements.push(element(locals, { key, data: [codes.local] }, id, String(codes.local)))
    list(local, localFlag)
  }
  elements.push(...hairpinElements(virtual))
  if (kind !== 'cluster') elements.push(element(local === undefined ? open : kept, { key }, id))
  for (const { backend, endsAt } of held) elements.push(element(sets[ip.family].held, { key: [ip, port, backend.ip, backend.port], data: [endsAt] }, `${ip.bits}.${port}.${backend.ip.bits}.${backend.port}`, String(endsAt)))
  if (isLoopback(ip) && backends.length > 0) elements.push(element(loopback, { key }, id))
  if (sources !== undefined) {
    elements.push(element(guarded, { key }, id))
    for (const range of sources) elements.push(element(allowed, { key: [...key, range] }, `${id}.${range.bits}/${range.prefix}`))
  }
  return elements
}

/** What numbers of backends stand for, each once however often its backend is in the list. */
function slotElements(set: MapDeclaration, { key, id, backends, affinity }: { readonly key: readonly Value[], readonly id: string, readonly backends: readonly Backend[], readonly affinity: Affinity }): readonly Element[] {
  const byNumber = new Map<number, Backend>()
  for (const backend of backends) byNumber.getOrInsert(idOf(affinity, backend), backend)
  return [...byNumber].map(([number, { ip, port }]) => element(set, { key: [...key, number], data: [ip, port] }, `${id}.${number}`, `${ip.bits}.${port}`))
}

function idOf({ ids }: Affinity, { ip, port }: Backend): number {
  return ids.get(backendKey(ip, port))!
}

/** Pods of this node that may be client and backend at once; other ports of theirs may want the same. */
export function hairpinElements({ ip, backends, local = [] }: VirtualPort): readonly Element[] {
  const { hairpin } = sets[ip.family]
  const here = new Map([...backends, ...local].filter((backend) => backend.local).map((backend) => [backend.ip.bits, backend.ip]))
  return [...here].map(([bits, pod]) => element(hairpin, { key: [pod, pod] }, `${bits}`))
}

/** What a Service has beside its ports. */
export function serviceElements({ vips, localDns }: ServiceModel): readonly Element[] {
  return [...vips.map((vip) => element(sets[vip.family].vip, { key: [vip] }, `${vip.bits}`)), ...localDns.flatMap(dnsElements)]
}

/** The way back stays while queries go elsewhere: a client whose answer is on its way would wait five seconds to ask again. */
function dnsElements({ vip, server, serverPort, isUsed }: LocalDns): readonly Element[] {
  const { dnsPort, dnsServer, dnsVip } = sets[vip.family]
  const back = element(dnsVip, { key: [server, serverPort], data: [vip] }, `${server.bits}.${serverPort}`, `${vip.bits}`)
  return isUsed
    ? [
        element(dnsPort, { key: [vip], data: [serverPort] }, `${vip.bits}`, String(serverPort)),
        element(dnsServer, { key: [vip], data: [server] }, `${vip.bits}`, `${server.bits}`),
        back,
      ]
    : [back]
}

/** The elements that come from nodes and ranges. */
export function nodeElements({ nearRanges, clusterRanges, serviceRanges }: NodeModel): readonly Element[] {
  return ([['near', nearRanges], ['cluster', clusterRanges], ['range', serviceRanges]] as const).flatMap(([name, ranges]) =>
    ranges.map((range) => element(sets[range.family][name], { key: [range] }, `${range.bits}/${range.prefix}`)))
}

function element(set: Element['set'], content: Element['element'], id: string, value = ''): Element {
  return { set, id, value, element: content }
}
