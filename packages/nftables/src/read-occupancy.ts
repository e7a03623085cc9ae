import { decodeAttributes, NetlinkError, type NetlinkSocket } from '@weft/netlink'
import * as nf from './nf-tables.ts'
import { NftError } from './nft-error.ts'
import type { SetOccupancy } from './nft.ts'
import { getTable, readRequest } from './read-table.ts'
import type { TableName } from './table.ts'

const GENERIC_HEADER = 4

/**
 * How full those sets and maps of a table are that have a size. The kernel tells how many elements there are since 6.16; before, they are listed and counted,
 * and there may be many: interrupted where it has done a little.
 */
export function* readingOccupancy(socket: NetlinkSocket, name: TableName): Generator<void, readonly SetOccupancy[]> {
  try {
    if (getTable(socket, name) === undefined) return []
    const found: SetOccupancy[] = []
    for (const { payload } of yield* socket.dumping(readRequest(nf.message.getSet, name, (out) => out.attrString(nf.setAttr.table, name.name)))) {
      const attributes = decodeAttributes(payload, GENERIC_HEADER)
      const set = attributes.string(nf.setAttr.name)
      const size = attributes.nested(nf.setAttr.description)?.u32be(nf.setDescriptionAttr.size)
      const isAnonymous = ((attributes.u32be(nf.setAttr.flags) ?? 0) & nf.setFlag.anonymous) !== 0
      if (set === undefined || size === undefined || isAnonymous) continue
      found.push({ name: set, size, count: attributes.u32be(nf.setAttr.count) ?? (yield* listed(socket, name, set)) })
    }
    return found
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error
    throw new NftError('ERR_NFT_READ_FAILED', `Cannot read table "${name.family} ${name.name}": ${error.message}`, { cause: error, errno: error.code })
  }
}

function* listed(socket: NetlinkSocket, name: TableName, set: string): Generator<void, number> {
  const answers = yield* socket.dumping(readRequest(nf.message.getSetElement, name, (out) => out.attrString(nf.elementListAttr.table, name.name).attrString(nf.elementListAttr.set, set)))
  return answers.reduce((sum, { payload }) => sum + (decodeAttributes(payload, GENERIC_HEADER).nested(nf.elementListAttr.elements)?.list().length ?? 0), 0)
}
