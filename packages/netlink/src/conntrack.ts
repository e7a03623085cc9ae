import type { Family } from '@weft/ip'
import { familyNumber } from './address-bytes.ts'
import { decodeAttributes } from './attributes.ts'
import { NFGENMSG_LENGTH, decodeConntrackEntry, matchesFilter, putFilter } from './conntrack-entry.ts'
import type { ConntrackEntry, ConntrackFilter } from './conntrack-entry.ts'
import { isNotFound } from './errors.ts'
import * as k from './kernel-constants.gen.ts'
import type { NetlinkRequest } from './message.ts'
import { NLA_F_NESTED } from './netlink-protocol.ts'
import { NetlinkSocket } from './socket.ts'
import type { NetlinkSocketOptions } from './socket.ts'
import { MessageWriter } from './writer.ts'

/** Version of nfgenmsg with which a flush heeds the family (Linux 5.3). */
const FLUSH_BY_FAMILY = 1
const REQUESTS_PER_BATCH = 200

/** The flows that one network namespace tracks. */
export class Conntrack implements Disposable {
  readonly #socket: NetlinkSocket

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  static async open(options: NetlinkSocketOptions = {}): Promise<Conntrack> {
    return new Conntrack(await NetlinkSocket.open('netfilter', options))
  }

  static openHere(): Conntrack {
    return new Conntrack(NetlinkSocket.openHere('netfilter'))
  }

  /** Flows that match, picked out by the kernel where it can (Linux 5.8). */
  entries(filter: ConntrackFilter = {}): ConntrackEntry[] {
    return families(filter).flatMap((family) => {
      const messages = this.#socket.dump(listFlowsRequest(filter, family))
      return messages.map(decodeConntrackEntry).filter((entry) => matchesFilter(entry, filter))
    })
  }

  /** Deletes the flows that match and says how many there were: their next packet is a first packet again. */
  deleteWhere(filter: ConntrackFilter): number {
    return this.#delete(this.entries(filter))
  }

  /** Deletes flows by a condition of one's own, after the kernel has picked out those that match `filter`. */
  deleteMatching(filter: ConntrackFilter, condition: (entry: ConntrackEntry) => boolean): number {
    return this.#delete(this.entries(filter).filter(condition))
  }

  /**
   * Replaces the bits under `mask` in the marks of flows.
   *
   * @param filter Picked out by the kernel.
   * @param condition One's own, after that.
   * @returns How many flows there were.
   */
  remarkMatching(filter: ConntrackFilter, condition: (entry: ConntrackEntry) => boolean, { mark, mask }: { readonly mark: number, readonly mask: number }): number {
    return this.#forEach(this.entries(filter).filter(condition), (entry) => named('mark flow', k.IPCTNL_MSG_CT_NEW, entry, (writer) => writer.attrU32be(k.CTA_MARK, mark).attrU32be(k.CTA_MARK_MASK, mask)))
  }

  /** Forgets all flows, or those of one family. */
  flush(options: { readonly family?: Family | undefined } = {}): void {
    this.#socket.request(request('flush flows', k.IPCTNL_MSG_CT_DELETE, putHeader(new MessageWriter(16), options.family, FLUSH_BY_FAMILY)))
  }

  /** How many flows there are; cheap. */
  count(): number {
    const [message] = this.#socket.request(request('count flows', k.IPCTNL_MSG_CT_GET_STATS, putHeader(new MessageWriter(16), undefined)))
    return message === undefined ? 0 : (decodeAttributes(message.payload, NFGENMSG_LENGTH).u32be(k.CTA_STATS_GLOBAL_ENTRIES) ?? 0)
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }

  #delete(entries: readonly ConntrackEntry[]): number {
    return this.#forEach(entries, (entry) => named('delete flow', k.IPCTNL_MSG_CT_DELETE, entry))
  }

  /** @returns How many flows were still there. */
  #forEach(entries: readonly ConntrackEntry[], requestOf: (entry: ConntrackEntry) => NetlinkRequest): number {
    let done = 0
    for (let at = 0; at < entries.length; at += REQUESTS_PER_BATCH) {
      for (const { error } of this.#socket.batch(entries.slice(at, at + REQUESTS_PER_BATCH).map(requestOf))) {
        if (error === undefined) done++
        // A flow may end by itself between the two looks.
        else if (!isNotFound(error)) throw error
      }
    }
    return done
  }
}

/** `conntrack -L`, of one family unless it is undefined, with as much of the filter as the kernel is trusted with. */
export function listFlowsRequest(filter: ConntrackFilter, family: Family | undefined): NetlinkRequest {
  return request('list flows', k.IPCTNL_MSG_CT_GET, putFilter(putHeader(new MessageWriter(128), family), filter))
}

/** The id keeps a new flow with the same addresses and ports from being meant. */
function named(operation: string, type: number, entry: ConntrackEntry, put: (writer: MessageWriter) => unknown = () => undefined): NetlinkRequest {
  const writer = putHeader(new MessageWriter(96), entry.family).attrBytes(k.CTA_TUPLE_ORIG | NLA_F_NESTED, entry.key).attrU32be(k.CTA_ID, entry.id)
  if (entry.zone !== 0) writer.attrU16be(k.CTA_ZONE, entry.zone)
  put(writer)
  return request(operation, type, writer)
}

function request(operation: string, type: number, writer: MessageWriter): NetlinkRequest {
  return { operation, type: (k.NFNL_SUBSYS_CTNETLINK << 8) | type, flags: 0, payload: writer.bytes() }
}

/** struct nfgenmsg: family, version, resource id. */
function putHeader(writer: MessageWriter, family: Family | undefined, version = 0): MessageWriter {
  return writer.putU8(family === undefined ? 0 : familyNumber(family)).putU8(version).putU16(0)
}

/** The kernel filters tuples only within a family: an address says which; else ask for each. */
function families(filter: ConntrackFilter): readonly (Family | undefined)[] {
  const family = filter.family ?? [filter.origSrc, filter.origDst, filter.replySrc, filter.replyDst].find((address) => address !== undefined)?.family
  if (family !== undefined) return [family]
  // Marks and zones are looked at in one walk over both.
  const { mark: _mark, markMask: _mask, zone: _zone, ...tuples } = filter
  return Object.values(tuples).every((value) => value === undefined) ? [undefined] : [4, 6]
}
