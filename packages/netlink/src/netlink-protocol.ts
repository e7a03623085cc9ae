// Read first: linux/netlink.h. The numbers every netlink family shares.

/** Netlink families by name: the third argument of `socket(AF_NETLINK, …)`. */
export const NETLINK_PROTOCOL = { route: 0, sockDiag: 4, netfilter: 12, generic: 16 } as const

/** Name of a netlink family, see {@link NETLINK_PROTOCOL}. */
export type NetlinkProtocol = keyof typeof NETLINK_PROTOCOL

export const NLMSG_HEADER_LENGTH = 16
export const NLMSG_NOOP = 1
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLMSG_OVERRUN = 4

export const NLM_F_REQUEST = 0x1
export const NLM_F_MULTI = 0x2
export const NLM_F_ACK = 0x4
export const NLM_F_ECHO = 0x8
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP_FILTERED = 0x20

// Modifiers of GET requests.
export const NLM_F_ROOT = 0x100
export const NLM_F_MATCH = 0x200
export const NLM_F_DUMP = 0x300

// Modifiers of NEW requests.
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800

// Modifiers of DELETE requests.
export const NLM_F_NONREC = 0x100
export const NLM_F_BULK = 0x200

// Flags of NLMSG_ERROR.
export const NLM_F_CAPPED = 0x100
export const NLM_F_ACK_TLVS = 0x200

export const NLMSGERR_ATTR_MSG = 1
export const NLMSGERR_ATTR_OFFS = 2

export const NLA_HEADER_LENGTH = 4
export const NLA_F_NESTED = 0x8000
export const NLA_F_NET_BYTEORDER = 0x4000
export const NLA_TYPE_MASK = 0x3fff

export const SOL_NETLINK = 270
export const NETLINK_ADD_MEMBERSHIP = 1
export const NETLINK_DROP_MEMBERSHIP = 2
export const NETLINK_CAP_ACK = 10
export const NETLINK_EXT_ACK = 11
export const NETLINK_GET_STRICT_CHK = 12

/** Rounds up to the four-byte boundary of messages and attributes. */
export function align4(length: number): number {
  return (length + 3) & ~3
}
