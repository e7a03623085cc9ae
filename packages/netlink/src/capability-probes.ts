import { existsSync, readFileSync } from 'node:fs'
import { loopbackIfIndex } from '@weft/ip'
import { NetlinkError, isPermissionDenied } from './errors.ts'
import { decodeAck } from './message.ts'
import { NLMSG_ERROR, NLM_F_CREATE, NLM_F_EXCL } from './netlink-protocol.ts'
import type { NetlinkSocket } from './socket.ts'
import { emptyTbfRequest } from './qdisc.ts'
import { MessageWriter } from './writer.ts'
import * as k from './kernel-constants.gen.ts'
import * as libc from './libc.ts'

// linux/netfilter/nfnetlink.h, nf_tables.h: what a probe needs of nf_tables. The rest is @weft/nftables' business.
const NFNL_MSG_BATCH_BEGIN = 0x10
const NFNL_MSG_BATCH_END = 0x11
const NFNL_SUBSYS_NFTABLES = 10
const NFT_MSG_NEWTABLE = 0
const NFT_MSG_NEWCHAIN = 3
const NFT_MSG_NEWRULE = 6
const NFT_MSG_NEWFLOWTABLE = 22
const NFPROTO_INET = 1
const NF_INET_LOCAL_OUT = 3
const NFTA_NAME = 1
const NFTA_CHAIN_TABLE = 1
const NFTA_CHAIN_NAME = 3
const NFTA_CHAIN_HOOK = 4
const NFTA_CHAIN_TYPE = 7
const NFTA_RULE_TABLE = 1
const NFTA_RULE_CHAIN = 2
const NFTA_RULE_EXPRESSIONS = 4
const NFTA_LIST_ELEM = 1
const NFTA_FLOWTABLE_TABLE = 1
const NFTA_FLOWTABLE_NAME = 2
const NFTA_FLOWTABLE_HOOK = 3

const NFTA_EXPR_DATA = 2

const TABLE = 'weft-probe'
const CHAIN = 'c'
const EPERM = 1
const ENOENT = 2
const EINVAL = 22
const EOPNOTSUPP = 95
const NFGENMSG_LENGTH = 4
const IFINFOMSG_LENGTH = 16

/** No link can have this name, so nothing is ever made. */
const IMPOSSIBLE_NAME = 'weft/probe'

/** Asks for a link with an impossible name: the kernel looks the kind up first. */
export function linkKindPresent(route: NetlinkSocket, kind: string): boolean {
  const writer = new MessageWriter().putZeros(IFINFOMSG_LENGTH).attrString(k.IFLA_IFNAME, IMPOSSIBLE_NAME).startNested(k.IFLA_LINKINFO).attrString(k.IFLA_INFO_KIND, kind)
  if (kind === 'veth') {
    writer.startNested(k.IFLA_INFO_DATA).startNestedPlain(k.VETH_INFO_PEER).putZeros(IFINFOMSG_LENGTH).attrString(k.IFLA_IFNAME, IMPOSSIBLE_NAME).endNested().endNested()
  }
  const [outcome] = route.batch([{ operation: `probe ${kind} link`, type: k.RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, payload: writer.endNested().bytes() }])
  return known(outcome!.error?.errno ?? 0)
}

/** A token bucket on the loopback link, without parameters: refused in any case. */
export function tbfPresent(route: NetlinkSocket): boolean {
  const [outcome] = route.batch([emptyTbfRequest(loopbackIfIndex)])
  return known(outcome!.error?.errno ?? 0)
}

/** Without the right to ask, nothing is known. */
function known(errno: number): boolean {
  if (errno === EPERM) throw new NetlinkError({ operation: 'probe the kernel', errno })
  return errno !== ENOENT && errno !== EOPNOTSUPP
}

type Step = (writer: MessageWriter) => void

interface Message {
  readonly type: number
  readonly put: Step
}

const newTable: Message = { type: NFT_MSG_NEWTABLE, put: (writer) => writer.attrString(NFTA_NAME, TABLE) }

function newChain(name: string, type?: string): Message {
  return {
    type: NFT_MSG_NEWCHAIN,
    put: (writer) => {
      writer.attrString(NFTA_CHAIN_TABLE, TABLE).attrString(NFTA_CHAIN_NAME, name)
      if (type !== undefined) writer.startNested(NFTA_CHAIN_HOOK).attrU32be(1, NF_INET_LOCAL_OUT).attrU32be(2, 0).endNested().attrString(NFTA_CHAIN_TYPE, type)
    },
  }
}

/** Has an expression that no kernel knows: a batch that ends with it is always undone. */
const poison: Message = ruleWith('weft-none')

/** Sends a batch that is always undone, and says what became of its last message but the poison. */
function tryBatch(netfilter: NetlinkSocket, messages: readonly Message[]): boolean {
  const all = [...messages, poison]
  const count = all.length + 2
  const first = netfilter.reserveSequences(count)
  const writer = new MessageWriter(512)
  const bracket = (type: number, sequence: number): MessageWriter => writer.startMessage(type, 0, sequence).putU16(0).putU16be(NFNL_SUBSYS_NFTABLES).endMessage()
  bracket(NFNL_MSG_BATCH_BEGIN, first)
  for (const [index, { type, put }] of all.entries()) {
    writer.startMessage((NFNL_SUBSYS_NFTABLES << 8) | type, NLM_F_CREATE, first + 1 + index).putU8(NFPROTO_INET).putZeros(NFGENMSG_LENGTH - 1)
    put(writer)
    writer.endMessage()
  }
  bracket(NFNL_MSG_BATCH_END, first + count - 1)
  const errors = netfilter.exchange(writer.bytes(), { first, count }).filter(({ type }) => type === NLMSG_ERROR)
  const answer = errors.find(({ sequence }) => sequence === first + messages.length) ?? errors.find(({ sequence }) => sequence < first + messages.length)
  return known(answer === undefined ? 0 : decodeAck(answer).errno)
}

/** A table of the inet family. */
export function inetTablesPresent(netfilter: NetlinkSocket): boolean {
  return tryBatch(netfilter, [newTable])
}

function ruleWith(expression: string): Message {
  return {
    type: NFT_MSG_NEWRULE,
    put: (writer) => {
      writer.attrString(NFTA_RULE_TABLE, TABLE).attrString(NFTA_RULE_CHAIN, CHAIN).startNested(NFTA_RULE_EXPRESSIONS)
      writer.startNested(NFTA_LIST_ELEM).attrString(NFTA_NAME, expression).startNested(NFTA_EXPR_DATA).endNested().endNested().endNested()
    },
  }
}

/** A rule with an expression of that name and nothing in it: ENOENT if the name is unknown, another error if it is known. */
export function expressionPresent(netfilter: NetlinkSocket, name: string): boolean {
  return tryBatch(netfilter, [newTable, newChain(CHAIN), ruleWith(name)])
}

/** A base chain of that type in the output hook. */
export function chainTypePresent(netfilter: NetlinkSocket, type: string): boolean {
  return tryBatch(netfilter, [newTable, newChain(`base-${type}`, type)])
}

/** A flowtable without devices. */
export function flowtablePresent(netfilter: NetlinkSocket): boolean {
  const flowtable: Message = {
    type: NFT_MSG_NEWFLOWTABLE,
    put: (writer) => {
      writer.attrString(NFTA_FLOWTABLE_TABLE, TABLE).attrString(NFTA_FLOWTABLE_NAME, 'f').startNested(NFTA_FLOWTABLE_HOOK).attrU32be(1, 0).attrU32be(2, 0).endNested()
    },
  }
  return tryBatch(netfilter, [newTable, flowtable])
}

/** Flows can be counted. */
export function conntrackPresent(netfilter: NetlinkSocket): boolean {
  const payload = new MessageWriter(8).putZeros(NFGENMSG_LENGTH).bytes()
  const [outcome] = netfilter.batch([{ operation: 'count flows', type: (k.NFNL_SUBSYS_CTNETLINK << 8) | k.IPCTNL_MSG_CT_GET_STATS, flags: 0, payload }])
  return known(outcome!.error?.errno === EINVAL ? ENOENT : (outcome!.error?.errno ?? 0))
}

/** A filter that contradicts itself is refused by a kernel that reads filters, overlooked by one that does not. */
export function conntrackFilterPresent(netfilter: NetlinkSocket): boolean {
  const writer = new MessageWriter(64).putU8(libc.AF_INET).putZeros(NFGENMSG_LENGTH - 1)
  // It asks for the source address of a tuple that is not there.
  writer.startNested(k.CTA_FILTER).attrU32(k.CTA_FILTER_ORIG_FLAGS, 1).attrU32(k.CTA_FILTER_REPLY_FLAGS, 0).endNested()
  try {
    netfilter.dump({ operation: 'list flows', type: (k.NFNL_SUBSYS_CTNETLINK << 8) | k.IPCTNL_MSG_CT_GET, flags: 0, payload: writer.bytes() })
    return false
  } catch (error) {
    if (isPermissionDenied(error)) throw error
    return true
  }
}

/** Conntrack has settings for SCTP, once it is there itself. */
export function conntrackSctpPresent(): boolean {
  const folder = '/proc/sys/net/netfilter'
  if (!existsSync(`${folder}/nf_conntrack_max`)) throw new NetlinkError({ operation: 'probe the kernel', errno: EPERM })
  return existsSync(`${folder}/nf_conntrack_sctp_timeout_established`)
}

/** Beyond wmem_max: CAP_NET_ADMIN in the first user namespace. */
export function sndbufForcePresent(socket: NetlinkSocket): boolean {
  try {
    libc.setsockopt(socket.fd, libc.SOL_SOCKET, libc.SO_SNDBUFFORCE, 1 << 20)
    return true
  } catch {
    return false
  }
}

/** Bridged packets pass the IP hooks. */
export function bridgeNetfilterPresent(): boolean {
  return existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables')
}

/** An ordinary user may make user namespaces, as far as settings say. */
export function userNamespacesPresent(): boolean {
  const setting = (name: string): string | undefined => {
    try {
      return readFileSync(`/proc/sys/${name}`, 'utf8').trim()
    } catch {
      return undefined
    }
  }
  return setting('user/max_user_namespaces') !== '0' && setting('kernel/unprivileged_userns_clone') !== '0' && setting('kernel/apparmor_restrict_unprivileged_userns') !== '1'
}
