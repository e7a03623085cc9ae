import { cidrFrom, firstIp, ipFromBytes, ipToBytes, macFromBytes } from '@weft/ip'
import type { Cidr, Family, IpAddress, MacAddress } from '@weft/ip'
import { NetlinkDecodeError } from './errors.ts'
import { AF_INET, AF_INET6 } from './libc.ts'

const IPV4_LENGTH = 4
const IPV6_LENGTH = 16
const MAC_LENGTH = 6

/** AF_INET or AF_INET6. */
export function addressFamily(of: { readonly family: Family }): number {
  return of.family === 4 ? AF_INET : AF_INET6
}

export function familyNumber(family: Family): number {
  return family === 4 ? AF_INET : AF_INET6
}

/** `undefined` for families that are neither IPv4 nor IPv6, e.g. MPLS. */
export function familyOf(number: number | undefined): Family | undefined {
  if (number === AF_INET) return 4
  return number === AF_INET6 ? 6 : undefined
}

/** @throws {NetlinkDecodeError} If there are neither 4 nor 16 bytes. */
export function decodeIp(bytes: Uint8Array): IpAddress {
  if (bytes.length !== IPV4_LENGTH && bytes.length !== IPV6_LENGTH) throw new NetlinkDecodeError(`address: it has ${bytes.length} bytes, wanted 4 or 16`)
  return ipFromBytes(bytes)
}

export function decodeIpMaybe(bytes: Uint8Array | undefined): IpAddress | undefined {
  return bytes === undefined ? undefined : decodeIp(bytes)
}

/** A network as the kernel tells it: address and prefix length apart, the address absent in `0.0.0.0/0`. */
export function decodeCidr(family: Family, bytes: Uint8Array | undefined, prefix: number): Cidr {
  const address = bytes ?? new Uint8Array(family === 4 ? IPV4_LENGTH : IPV6_LENGTH)
  if (address.length !== (family === 4 ? IPV4_LENGTH : IPV6_LENGTH)) throw new NetlinkDecodeError(`address: it has ${address.length} bytes and family ${family}`)
  if (prefix > address.length * 8) throw new NetlinkDecodeError(`network: its prefix is ${prefix}, the most is ${address.length * 8}`)
  return cidrFrom(ipFromBytes(address), prefix)
}

/** The network's address as bytes. */
export function cidrBytes(cidr: Cidr): Uint8Array {
  return ipToBytes(firstIp(cidr))
}

/** `undefined` for hardware addresses that are no MAC: tunnels have an IP address, `none` links nothing. */
export function decodeMacMaybe(bytes: Uint8Array | undefined): MacAddress | undefined {
  return bytes?.length === MAC_LENGTH ? macFromBytes(bytes) : undefined
}
