import { decodeAttributes, monitor, type NetlinkMessage, readEvent } from '@weft/netlink'
import * as nf from './nf-tables.ts'
import type { TableEvent } from './nft.ts'
import type { TableName } from './table.ts'

/** Options of {@link watchTable}. */
export interface WatchOptions {
  /** Path of a network namespace; the caller's own when absent. */
  readonly netns?: string | undefined
  /** Ends the iteration. */
  readonly signal: AbortSignal
  /** Port ids whose changes are left out: usually our own socket's, so that only foreign edits are seen. */
  readonly ignorePorts?: readonly number[] | undefined
}

const GENERIC_HEADER = 4

const kinds: ReadonlyMap<number, readonly [verb: TableEvent['verb'], object: TableEvent['object'], name: number]> = new Map([
  [nf.message.newTable, ['new', 'table', nf.tableAttr.name]],
  [nf.message.delTable, ['delete', 'table', nf.tableAttr.name]],
  [nf.message.newChain, ['new', 'chain', nf.chainAttr.name]],
  [nf.message.delChain, ['delete', 'chain', nf.chainAttr.name]],
  [nf.message.newRule, ['new', 'rule', nf.ruleAttr.chain]],
  [nf.message.delRule, ['delete', 'rule', nf.ruleAttr.chain]],
  [nf.message.newSet, ['new', 'set', nf.setAttr.name]],
  [nf.message.delSet, ['delete', 'set', nf.setAttr.name]],
  [nf.message.newSetElement, ['new', 'element', nf.elementListAttr.set]],
  [nf.message.delSetElement, ['delete', 'element', nf.elementListAttr.set]],
  [nf.message.newObject, ['new', 'object', nf.objectAttr.name]],
  [nf.message.delObject, ['delete', 'object', nf.objectAttr.name]],
  [nf.message.newFlowtable, ['new', 'flowtable', 2]],
  [nf.message.delFlowtable, ['delete', 'flowtable', 2]],
])

/**
 * Follows the changes that any program makes to one table. When the promise resolves the subscription stands: watch, read, then follow.
 * Elements that packets add to dynamic sets, and those that time out, are reported only by some kernels; rely on neither.
 *
 * @returns Events, or `overrun` when some were lost: read the table again.
 */
export async function watchTable(table: TableName, options: WatchOptions): Promise<AsyncIterable<TableEvent | 'overrun'>> {
  return follow(table, await monitor({ groups: ['nftables'], netns: options.netns, signal: options.signal }), new Set(options.ignorePorts))
}

async function* follow(table: TableName, messages: AsyncIterable<NetlinkMessage | 'overrun'>, ignored: ReadonlySet<number>): AsyncGenerator<TableEvent | 'overrun', void, undefined> {
  for await (const message of messages) {
    if (message !== 'overrun' && ignored.has(message.port)) continue
    const event = readEvent(message, (readable) => decodeTableEvent(table, readable))
    if (event !== undefined) yield event
  }
}

/** Reads a notification; undefined if it is not about `table`. */
export function decodeTableEvent(table: TableName, message: NetlinkMessage): TableEvent | undefined {
  const kind = message.type >> 8 === nf.SUBSYSTEM ? kinds.get(message.type & 0xff) : undefined
  if (kind === undefined || message.payload[0] !== nf.family[table.family]) return undefined
  const attributes = decodeAttributes(message.payload, GENERIC_HEADER)
  // The table's name is attribute 1 of every kind.
  if (attributes.string(nf.tableAttr.name) !== table.name) return undefined
  const [verb, object, name] = kind
  return { verb, object, name: attributes.string(name) ?? '', portId: message.port }
}
