import { isLinkLocal, isLoopback, isMulticast, isUnspecified, parseCidr, parseIp, type Cidr, type IpAddress } from '@weft/ip'
import type { Json } from '../json.ts'
import type { Cause } from '../status.ts'
import { invalidValue } from './field.ts'

/** The address in a field, or undefined when it is none. */
export function addressOf(value: Json | undefined): IpAddress | undefined {
  if (typeof value !== 'string') return undefined
  try {
    return parseIp(value)
  } catch {
    return undefined
  }
}

/** The network in a field, or undefined when it is none or has host bits. */
export function networkOf(value: Json | undefined): Cidr | undefined {
  if (typeof value !== 'string') return undefined
  try {
    return parseCidr(value)
  } catch {
    return undefined
  }
}

export const NOT_AN_ADDRESS = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
export const NOT_A_NETWORK = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'

/** Faults of an address that traffic is sent to: loopback, link-local, multicast and unspecified ones are refused. */
export function endpointAddressFaults(value: Json | undefined, field: string, family?: 4 | 6): Cause[] {
  const address = addressOf(value)
  if (address === undefined || (family !== undefined && address.family !== family)) {
    return [invalidValue(field, value, family === undefined ? NOT_AN_ADDRESS : `must be a valid IPv${family} address`)]
  }
  if (isUnspecified(address)) return [invalidValue(field, value, 'may not be unspecified (0.0.0.0 or ::)')]
  if (isLoopback(address)) return [invalidValue(field, value, 'may not be in the loopback range (127.0.0.0/8, ::1/128)')]
  if (isLinkLocal(address)) return [invalidValue(field, value, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)')]
  if (isMulticast(address)) return [invalidValue(field, value, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)')]
  return []
}
