import { decodeAttributes, NetlinkError, type NetlinkSocket } from '@weft/netlink'
import * as nf from './nf-tables.ts'
import { NftError } from './nft-error.ts'
import type { SetOccupancy } from './nft.ts'
import { getTable, readRequest } from './read-table.ts'
import type { TableName } from './table.ts'

const GENERIC_HEADER = 4

/** How full those sets and maps of a table are that have a size. The kernel tells how many elements there are since 6.16; before, they are listed and counted. */
export function readOccupancy(socket: NetlinkSocket, name: TableName): readonly SetOccupancy[] {
  try {
    if (getTable(socket, name) === undefined) return []
    return socket.dump(readRequest(nf.message.getSet, name, (out) => out.attrString(nf.setAttr.table, name.name))).flatMap(({ payload }) => {
      const attributes = decodeAttributes(payload, GENERIC_HEADER)
      const set = attributes.string(nf.setAttr.name)
      const size = attributes.nested(nf.setAttr.description)?.u32be(nf.setDescriptionAttr.size)
      const isAnonymous = ((attributes.u32be(nf.setAttr.flags) ?? 0) & nf.setFlag.anonymous) !== 0
      return set === undefined || size === undefined || isAnonymous ? [] : [{ name: set, size, count: attributes.u32be(nf.setAttr.count) ?? listed(socket, name, set) }]
    })
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error
    throw new NftError('ERR_NFT_READ_FAILED', `Cannot read table "${name.family} ${name.name}": ${error.message}`, { cause: error, errno: error.code })
  }
}

function listed(socket: NetlinkSocket, name: TableName, set: string): number {
  const answers = socket.dump(readRequest(nf.message.getSetElement, name, (out) => out.attrString(nf.elementListAttr.table, name.name).attrString(nf.elementListAttr.set, set)))
  return answers.reduce((sum, { payload }) => sum + (decodeAttributes(payload, GENERIC_HEADER).nested(nf.elementListAttr.elements)?.list().length ?? 0), 0)
}
