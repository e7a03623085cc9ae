// Read first: linux/if_addr.h, RFC 4862 §5.4 (duplicate address detection).
import { formatIp, ipToBytes } from '@weft/ip'
import type { Family, IfIndex, IpAddress } from '@weft/ip'
import { addressFamily, decodeIp, decodeIpMaybe, familyNumber, familyOf } from './address-bytes.ts'
import { decodeAttributes, readU32 } from './attributes.ts'
import { decodeIfIndex } from './if-index.ts'
import * as k from './kernel-constants.gen.ts'
import type { NetlinkMessage, NetlinkRequest } from './message.ts'
import { scopeName, scopeNumber } from './scope.ts'
import type { Scope } from './scope.ts'
import { MessageWriter } from './writer.ts'

const IFADDRMSG_LENGTH = 8
const FAMILY_AT = 0
const PREFIX_AT = 1
const FLAGS_AT = 2
const SCOPE_AT = 3
const INDEX_AT = 4
const FOREVER = 0xffff_ffff

/** An address to be put on a link. */
export interface InterfaceAddressSpec {
  readonly ifIndex: IfIndex
  readonly address: IpAddress
  /** Prefix length; 32 or 128 for an address that brings no network along. */
  readonly prefix: number
  /** The address of the other end of a point-to-point link; `prefix` is then the prefix of the peer. */
  readonly peer?: IpAddress | undefined
  readonly scope?: Scope | undefined
  /** Usable at once: no duplicate address detection, which takes IPv6 a second or more. */
  readonly noDad?: boolean | undefined
  /** No route to the prefix appears by itself. */
  readonly noPrefixRoute?: boolean | undefined
  readonly label?: string | undefined
  /** Seconds; for ever when absent. */
  readonly validSeconds?: number | undefined
  /** Seconds; 0 makes the address deprecated: never chosen as a source. */
  readonly preferredSeconds?: number | undefined
}

/** An address as the kernel shows it. */
export interface InterfaceAddress {
  readonly ifIndex: IfIndex
  readonly family: Family
  readonly address: IpAddress
  readonly prefix: number
  readonly peer: IpAddress | undefined
  readonly scope: Scope
  readonly noDad: boolean
  readonly noPrefixRoute: boolean
  /** Duplicate address detection is under way: the address cannot be used yet. */
  readonly tentative: boolean
  /** Duplicate address detection found another holder. */
  readonly dadFailed: boolean
  readonly deprecated: boolean
  readonly permanent: boolean
  readonly label: string | undefined
}

/** `ip address add <address>/<prefix> dev <index>` */
export function addressRequest(spec: InterfaceAddressSpec, verb: { readonly name: string, readonly type: number, readonly flags: number }): NetlinkRequest {
  const { address, peer } = spec
  if (peer !== undefined && peer.family !== address.family) throw new TypeError(`Cannot ${verb.name} address "${formatIp(address)}": its peer "${formatIp(peer)}" is of the other family`)
  const writer = new MessageWriter(96)
    .putU8(addressFamily(address))
    .putU8(spec.prefix)
    .putU8(0)
    .putU8(scopeNumber(spec.scope ?? 'global'))
    .putU32(spec.ifIndex)
    // With a peer, IFA_ADDRESS is the far end; without one both are the same.
    .attrBytes(k.IFA_LOCAL, ipToBytes(address))
    .attrBytes(k.IFA_ADDRESS, ipToBytes(peer ?? address))
  const flags = (spec.noDad === true ? k.IFA_F_NODAD : 0) | (spec.noPrefixRoute === true ? k.IFA_F_NOPREFIXROUTE : 0)
  if (flags !== 0) writer.attrU32(k.IFA_FLAGS, flags)
  if (spec.label !== undefined) writer.attrString(k.IFA_LABEL, spec.label)
  if (spec.validSeconds !== undefined || spec.preferredSeconds !== undefined) {
    const valid = spec.validSeconds ?? FOREVER
    const cacheInfo = new MessageWriter(16).putU32(Math.min(spec.preferredSeconds ?? valid, valid)).putU32(valid).putZeros(8).bytes()
    writer.attrBytes(k.IFA_CACHEINFO, cacheInfo)
  }
  return { operation: `${verb.name} address "${formatIp(address)}/${spec.prefix}" on link ${spec.ifIndex}`, type: verb.type, flags: verb.flags, payload: writer.bytes() }
}

/** `ip address show` */
export function listAddressesRequest({ family, ifIndex }: { readonly family?: Family | undefined, readonly ifIndex?: IfIndex | undefined } = {}): NetlinkRequest {
  const payload = new MessageWriter(16).putU8(family === undefined ? 0 : familyNumber(family)).putZeros(3).putU32(ifIndex ?? 0).bytes()
  return { operation: 'list addresses', type: k.RTM_GETADDR, flags: 0, payload }
}

/**
 * @returns `undefined` for a family that is neither IPv4 nor IPv6.
 * @throws {NetlinkDecodeError} If the message is no address.
 */
export function decodeInterfaceAddress({ payload }: NetlinkMessage): InterfaceAddress | undefined {
  const attributes = decodeAttributes(payload, IFADDRMSG_LENGTH)
  const family = familyOf(payload[FAMILY_AT])
  const shown = attributes.bytes(k.IFA_ADDRESS)
  const local = attributes.bytes(k.IFA_LOCAL) ?? shown
  if (family === undefined || local === undefined) return undefined
  const flags = attributes.u32(k.IFA_FLAGS) ?? payload[FLAGS_AT]!
  const address = decodeIp(local)
  const other = decodeIpMaybe(shown)
  return {
    ifIndex: decodeIfIndex(readU32(payload, INDEX_AT)),
    family,
    address,
    prefix: payload[PREFIX_AT]!,
    peer: other === undefined || other.bits === address.bits ? undefined : other,
    scope: scopeName(payload[SCOPE_AT]!),
    noDad: (flags & k.IFA_F_NODAD) !== 0,
    noPrefixRoute: (flags & k.IFA_F_NOPREFIXROUTE) !== 0,
    tentative: (flags & k.IFA_F_TENTATIVE) !== 0,
    dadFailed: (flags & k.IFA_F_DADFAILED) !== 0,
    deprecated: (flags & k.IFA_F_DEPRECATED) !== 0,
    permanent: (flags & k.IFA_F_PERMANENT) !== 0,
    label: attributes.string(k.IFA_LABEL),
  }
}
