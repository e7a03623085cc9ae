// Read first: linux/netfilter/nfnetlink_log.h.
import type { IfIndex } from '@weft/ip'
import { decodeAttributes } from './attributes.ts'
import { NFGENMSG_LENGTH } from './conntrack-entry.ts'
import { isPermissionDenied } from './errors.ts'
import { decodeIfIndexMaybe } from './if-index.ts'
import * as k from './kernel-constants.gen.ts'
import type { NetlinkMessage, NetlinkRequest } from './message.ts'
import { follow, readEvent } from './monitor.ts'
import { type PacketHead, readPacketHead } from './packet-head.ts'
import { NetlinkSocket } from './socket.ts'
import { MessageWriter } from './writer.ts'

export interface PacketLogOptions {
  /** What rules of `log group N` name; a group has one reader in a network namespace. */
  readonly group: number
  /** Path of a network namespace; the caller's own when absent. */
  readonly netns?: string | undefined
  /** Ends the iteration. */
  readonly signal: AbortSignal
}

/** A packet that met a rule with `log group N`. */
export interface LoggedPacket {
  /** As the rule says. */
  readonly prefix: string
  /** Index of the link it came in by; undefined for what this machine sends. */
  readonly iif: IfIndex | undefined
  readonly oif: IfIndex | undefined
  /** Addresses and ports; undefined when what was copied is no whole header. */
  readonly head: PacketHead | undefined
}

/** An IPv6 header, a few of its extensions, and the ports. */
const copiedBytes = 128
/** The kernel sends what it has gathered after this long, in hundredths of a second. */
const flushAfter = 10

/**
 * Receives the packets that rules log, as `nft … log group N` sends them. `overrun` says that some were lost.
 *
 * @throws {NetlinkError} EPERM when the group has another reader, EINVAL or ENOENT when the kernel lacks nfnetlink_log.
 */
export async function packetLog({ group, netns, signal }: PacketLogOptions): Promise<AsyncIterable<LoggedPacket | 'overrun'>> {
  const socket = await NetlinkSocket.open('netfilter', { netns })
  try {
    socket.request(configure(group, `bind to log group ${group}`, (out) => out.attrU8(k.NFULA_CFG_CMD, k.NFULNL_CFG_CMD_BIND)))
    // struct nfulnl_msg_config_mode: how much of a packet, and that packets are wanted.
    socket.request(configure(group, `ask for packets of log group ${group}`, (out) => {
      out.attrBytes(k.NFULA_CFG_MODE, new MessageWriter(8).putU32be(copiedBytes).putU8(k.NFULNL_COPY_PACKET).putU8(0).bytes()).attrU32be(k.NFULA_CFG_TIMEOUT, flushAfter)
    }))
  } catch (error) {
    socket[Symbol.dispose]()
    throw error
  }
  const events = follow(socket, signal)
  return (async function* () {
    for await (const event of events) {
      if (event === 'overrun' || event.type === ((k.NFNL_SUBSYS_ULOG << 8) | k.NFULNL_MSG_PACKET)) yield readEvent(event, decodeLoggedPacket)
    }
  })()
}

/** Whether the kernel can log to programs (nfnetlink_log): without it a table with `log group` is refused. */
export async function packetLogPresent(options: { readonly netns?: string | undefined } = {}): Promise<boolean> {
  try {
    await packetLog({ ...options, group: probedGroup, signal: AbortSignal.abort() })
    return true
  } catch (error) {
    // Somebody reads that group.
    return isPermissionDenied(error)
  }
}

/** The last one, which nobody is likely to read. */
const probedGroup = 0xffff

function configure(group: number, operation: string, write: (out: MessageWriter) => void): NetlinkRequest {
  const out = new MessageWriter(64).putU8(0).putU8(0).putU16be(group)
  write(out)
  return { operation, type: (k.NFNL_SUBSYS_ULOG << 8) | k.NFULNL_MSG_CONFIG, flags: 0, payload: out.bytes() }
}

/** @throws {NetlinkDecodeError} If the message is not what its type says. */
export function decodeLoggedPacket({ payload }: NetlinkMessage): LoggedPacket {
  const attributes = decodeAttributes(payload, NFGENMSG_LENGTH)
  const bytes = attributes.bytes(k.NFULA_PAYLOAD)
  return {
    prefix: attributes.string(k.NFULA_PREFIX) ?? '',
    iif: decodeIfIndexMaybe(attributes.u32be(k.NFULA_IFINDEX_INDEV)),
    oif: decodeIfIndexMaybe(attributes.u32be(k.NFULA_IFINDEX_OUTDEV)),
    head: bytes === undefined ? undefined : readPacketHead(bytes),
  }
}
