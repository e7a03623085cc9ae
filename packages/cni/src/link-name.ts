import { createHash } from 'node:crypto'
import { links } from '@weft/api'
import { type MacAddress, macFromBytes } from '@weft/ip'

export interface LinkIdentity {
  /** Host end, at most 15 characters. */
  readonly hostIfname: string
  readonly hostMac: MacAddress
  readonly podMac: MacAddress
}

/**
 * Names and addresses of an attachment's link. They follow from container id and interface name alone, so a repeated
 * ADD, a DEL after a crash and a look at the kernel all find the same link; and an explicit MAC is one that no udev
 * rule rewrites after we told the neighbours.
 */
export function linkIdentity(containerId: string, ifname: string): LinkIdentity {
  const digest = createHash('sha256').update(`${containerId}/${ifname}`).digest()
  return {
    hostIfname: `${links.podPrefix}${digest.toString('hex').slice(0, 15 - links.podPrefix.length)}`,
    hostMac: localMac(digest.subarray(8, 14)),
    podMac: localMac(digest.subarray(16, 22)),
  }
}

/** Unicast, locally administered. */
function localMac(bytes: Buffer): MacAddress {
  const mac = Buffer.from(bytes)
  mac[0] = (mac[0]! & 0xfc) | 0x02
  return macFromBytes(mac)
}
