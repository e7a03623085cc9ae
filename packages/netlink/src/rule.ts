// Read first: linux/fib_rules.h, ip-rule(8).
import type { Cidr, Family } from '@weft/ip'
import { cidrBytes, decodeCidr, familyNumber, familyOf } from './address-bytes.ts'
import { decodeAttributes, readU32 } from './attributes.ts'
import * as k from './kernel-constants.gen.ts'
import type { NetlinkMessage, NetlinkRequest } from './message.ts'
import { byNumber } from './names.ts'
import type { Names } from './names.ts'
import { MessageWriter } from './writer.ts'

const HEADER_LENGTH = 12
const FAMILY_AT = 0
const DST_LENGTH_AT = 1
const SRC_LENGTH_AT = 2
const TABLE_AT = 4
const ACTION_AT = 7
const FLAGS_AT = 8
const NO_SUPPRESSION = 0xffff_ffff

export type RuleAction = 'table' | 'blackhole' | 'unreachable' | 'prohibit'

const ACTIONS: Names<RuleAction> = new Map([
  ['table', k.FR_ACT_TO_TBL],
  ['blackhole', k.FR_ACT_BLACKHOLE],
  ['unreachable', k.FR_ACT_UNREACHABLE],
  ['prohibit', k.FR_ACT_PROHIBIT],
])
const ACTION_NAMES = byNumber(ACTIONS)

/** A policy routing rule. Rules are equal when all of this is. */
export interface RuleSpec {
  readonly family: Family
  /** Lower comes first; the kernel's own are 0 (local), 32766 (main) and 32767 (default). */
  readonly priority: number
  readonly from?: Cidr | undefined
  readonly to?: Cidr | undefined
  /** Name of the link packets come in by. */
  readonly iif?: string | undefined
  /** Name of the link the sending socket is bound to. */
  readonly oif?: string | undefined
  readonly mark?: number | undefined
  /** Which bits of the mark count; all when absent. */
  readonly mask?: number | undefined
  /** IP protocol number. */
  readonly ipProtocol?: number | undefined
  /** Matches when the rest does not. */
  readonly invert?: boolean | undefined
  /** `table` when absent. */
  readonly action?: RuleAction | undefined
  readonly table?: number | undefined
  /** A route found with a prefix of this length or shorter does not count: 0 leaves the default route out. */
  readonly suppressPrefixLength?: number | undefined
  /** Who wrote the rule, as with routes. */
  readonly protocol?: number | undefined
}

/** A rule as the kernel shows it. */
export interface Rule extends RuleSpec {
  readonly action: RuleAction
  readonly table: number
  readonly protocol: number
  readonly invert: boolean
}

/** `ip rule add|del …` */
export function ruleRequest(spec: RuleSpec, verb: { readonly name: string, readonly type: number, readonly flags: number }): NetlinkRequest {
  const table = spec.table ?? 0
  const writer = new MessageWriter(128)
    .putU8(familyNumber(spec.family))
    .putU8(spec.to?.prefix ?? 0)
    .putU8(spec.from?.prefix ?? 0)
    .putU8(0)
    .putU8(table > 0xff ? k.RT_TABLE_COMPAT : table)
    .putZeros(2)
    .putU8(ACTIONS.get(spec.action ?? 'table')!)
    .putU32(spec.invert === true ? k.FIB_RULE_INVERT : 0)
    .attrU32(k.FRA_PRIORITY, spec.priority)
  if (table !== 0) writer.attrU32(k.FRA_TABLE, table)
  // The kernel refuses an address with a prefix of 0.
  if (spec.to !== undefined && spec.to.prefix > 0) writer.attrBytes(k.FRA_DST, cidrBytes(spec.to))
  if (spec.from !== undefined && spec.from.prefix > 0) writer.attrBytes(k.FRA_SRC, cidrBytes(spec.from))
  if (spec.iif !== undefined) writer.attrString(k.FRA_IIFNAME, spec.iif)
  if (spec.oif !== undefined) writer.attrString(k.FRA_OIFNAME, spec.oif)
  if (spec.mark !== undefined) writer.attrU32(k.FRA_FWMARK, spec.mark)
  if (spec.mask !== undefined) writer.attrU32(k.FRA_FWMASK, spec.mask)
  if (spec.ipProtocol !== undefined) writer.attrU8(k.FRA_IP_PROTO, spec.ipProtocol)
  if (spec.suppressPrefixLength !== undefined) writer.attrU32(k.FRA_SUPPRESS_PREFIXLEN, spec.suppressPrefixLength)
  if (spec.protocol !== undefined) writer.attrU8(k.FRA_PROTOCOL, spec.protocol)
  return { operation: `${verb.name} IPv${spec.family} rule ${spec.priority}`, type: verb.type, flags: verb.flags, payload: writer.bytes() }
}

/** `ip rule show` */
export function listRulesRequest(family: Family): NetlinkRequest {
  return { operation: `list IPv${family} rules`, type: k.RTM_GETRULE, flags: 0, payload: new MessageWriter(16).putU8(familyNumber(family)).putZeros(HEADER_LENGTH - 1).bytes() }
}

/**
 * @returns `undefined` for other families and actions.
 * @throws {NetlinkDecodeError} If the message is no rule.
 */
export function decodeRule({ payload }: NetlinkMessage): Rule | undefined {
  const attributes = decodeAttributes(payload, HEADER_LENGTH)
  const family = familyOf(payload[FAMILY_AT])
  const action = ACTION_NAMES.get(payload[ACTION_AT]!)
  if (family === undefined || action === undefined) return undefined
  const from = attributes.bytes(k.FRA_SRC)
  const to = attributes.bytes(k.FRA_DST)
  const suppress = attributes.u32(k.FRA_SUPPRESS_PREFIXLEN)
  const mark = attributes.u32(k.FRA_FWMARK)
  return {
    family,
    priority: attributes.u32(k.FRA_PRIORITY) ?? 0,
    from: from === undefined ? undefined : decodeCidr(family, from, payload[SRC_LENGTH_AT]!),
    to: to === undefined ? undefined : decodeCidr(family, to, payload[DST_LENGTH_AT]!),
    iif: attributes.string(k.FRA_IIFNAME),
    oif: attributes.string(k.FRA_OIFNAME),
    mark,
    // The kernel tells the mask whenever it tells the mark.
    mask: attributes.u32(k.FRA_FWMASK),
    ipProtocol: attributes.u8(k.FRA_IP_PROTO),
    invert: (readU32(payload, FLAGS_AT) & k.FIB_RULE_INVERT) !== 0,
    action,
    table: attributes.u32(k.FRA_TABLE) ?? payload[TABLE_AT]!,
    suppressPrefixLength: suppress === NO_SUPPRESSION ? undefined : suppress,
    protocol: attributes.u8(k.FRA_PROTOCOL) ?? 0,
  }
}
