import type { Protocol } from '@weft/api'
import type { IpAddress } from '@weft/ip'

/** The first packet of a connection, as pods see it: after Services were rewritten, before its source is. */
export interface Packet {
  readonly from: IpAddress
  readonly to: IpAddress
  /** `ICMP` stands for whatever has no ports: only rules that name none allow it. */
  readonly protocol: Protocol | 'ICMP'
  /** Destination port; absent for ICMP. */
  readonly port?: number | undefined
}
