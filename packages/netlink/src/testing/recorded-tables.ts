import { ifIndexFrom } from '@weft/ip'
import { decodeInterfaceAddress, listAddressesRequest } from '../address.ts'
import { decodeConntrackEntry } from '../conntrack-entry.ts'
import { listFlowsRequest } from '../conntrack.ts'
import { decodeLink, listLinksRequest } from '../link.ts'
import type { NetlinkMessage, NetlinkRequest } from '../message.ts'
import { decodeFdbEntry, decodeNeighbour, listFdbRequest, listNeighboursRequest } from '../neighbour.ts'
import { decodeRoute, listRoutesRequest } from '../route.ts'
import { decodeRule, listRulesRequest } from '../rule.ts'
import { type LinkIndexes, type Said, addressSaid, fdbSaid, flowSaid, linkSaid, neighbourSaid, routeSaid, ruleSaid } from './as-programs-say.ts'

/** A table of the kernel: how we read it, and the program that shows it. */
export interface RecordedTable {
  /** Name of its golden file. */
  readonly name: string
  /** The script that fills it, in `test/recorded`. */
  readonly setup: 'network.sh' | 'flows.sh'
  readonly request: NetlinkRequest
  readonly decode: (message: NetlinkMessage) => unknown
  readonly program: string
  /** What the program printed, as the values we ought to read. */
  readonly said: (printed: readonly unknown[], links: LinkIndexes) => readonly unknown[]
}

const each = (convert: (said: Said, links: LinkIndexes) => unknown): RecordedTable['said'] => (printed, links) => (printed as readonly Said[]).map((said) => convert(said, links))

export const recordedTables: readonly RecordedTable[] = [
  { name: 'links', setup: 'network.sh', request: listLinksRequest(), decode: decodeLink, program: 'ip -j -d -N link show', said: each(linkSaid) },
  {
    name: 'addresses',
    setup: 'network.sh',
    request: listAddressesRequest(),
    decode: decodeInterfaceAddress,
    program: 'ip -j -d -N address show',
    // Printed by link, sent by family.
    said: (printed) => (printed as readonly Said[]).flatMap((link) => (link['addr_info'] as readonly Said[]).map((said) => addressSaid(said, ifIndexFrom(link['ifindex'] as number)))).sort((a, b) => a.family - b.family),
  },
  { name: 'routes-ipv4', setup: 'network.sh', request: listRoutesRequest(4, {}), decode: decodeRoute, program: 'ip -j -d -N -4 route show table all', said: each((said, links) => routeSaid(said, links, 4)) },
  { name: 'routes-ipv6', setup: 'network.sh', request: listRoutesRequest(6, {}), decode: decodeRoute, program: 'ip -j -d -N -6 route show table all', said: each((said, links) => routeSaid(said, links, 6)) },
  { name: 'rules-ipv4', setup: 'network.sh', request: listRulesRequest(4), decode: decodeRule, program: 'ip -j -d -N -4 rule show', said: each((said) => ruleSaid(said, 4)) },
  { name: 'rules-ipv6', setup: 'network.sh', request: listRulesRequest(6), decode: decodeRule, program: 'ip -j -d -N -6 rule show', said: each((said) => ruleSaid(said, 6)) },
  { name: 'neighbours', setup: 'network.sh', request: listNeighboursRequest({}), decode: decodeNeighbour, program: 'ip -j -N neighbour show nud all', said: each(neighbourSaid) },
  { name: 'neighbours-proxy', setup: 'network.sh', request: listNeighboursRequest({ proxy: true }), decode: decodeNeighbour, program: 'ip -j -N neighbour show proxy', said: each(neighbourSaid) },
  { name: 'fdb', setup: 'network.sh', request: listFdbRequest(), decode: decodeFdbEntry, program: 'bridge -j -d fdb show', said: each(fdbSaid) },
  { name: 'flows', setup: 'flows.sh', request: listFlowsRequest({}, undefined), decode: decodeConntrackEntry, program: 'conntrack -L -o extended,id', said: (printed) => (printed as readonly string[]).map(flowSaid) },
]
