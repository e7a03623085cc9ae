import { type Attributes, decodeAttributes, NetlinkError, type NetlinkMessage, type NetlinkSocket } from '@weft/netlink'
import * as nf from './nf-tables.ts'
import { NftError } from './nft-error.ts'
import type { ChainGraph, ChainJump } from './nft.ts'
import { getTable, readRequest } from './read-table.ts'
import type { TableName } from './table.ts'

const GENERIC_HEADER = 4

/** Chains of any table and the plain jumps between them: `jump`, `goto`, and `-j CHAIN` of iptables. Verdict maps are not looked into. */
export function readGraph(socket: NetlinkSocket, name: TableName): ChainGraph | undefined {
  try {
    if (getTable(socket, name) === undefined) return undefined
    const dump = (type: number, table: number): readonly Attributes[] =>
      socket.dump(readRequest(type, name, (out) => out.attrString(table, name.name))).map((message: NetlinkMessage) => decodeAttributes(message.payload, GENERIC_HEADER))
    // The kernel gives chains of all tables of the family.
    const chains = dump(nf.message.getChain, nf.chainAttr.table).filter((chain) => chain.string(nf.chainAttr.table) === name.name).flatMap((chain) => chain.string(nf.chainAttr.name) ?? [])
    return { chains, jumps: dump(nf.message.getRule, nf.ruleAttr.table).flatMap(jumpsOf) }
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error
    throw new NftError('ERR_NFT_READ_FAILED', `Cannot read table "${name.family} ${name.name}": ${error.message}`, { cause: error, errno: error.code })
  }
}

function jumpsOf(rule: Attributes): readonly ChainJump[] {
  const chain = rule.string(nf.ruleAttr.chain)
  const handle = rule.u64be(nf.ruleAttr.handle)
  const expressions = rule.nested(nf.ruleAttr.expressions)
  if (chain === undefined || handle === undefined || expressions === undefined) return []
  return expressions.list().flatMap((expression) => {
    if (expression.string(nf.expressionAttr.name) !== 'immediate') return []
    const to = expression.nested(nf.expressionAttr.data)?.nested(nf.immediateAttr.data)?.nested(nf.dataAttr.verdict)?.string(nf.verdictAttr.chain)
    return to === undefined ? [] : [{ chain, handle, to }]
  })
}
