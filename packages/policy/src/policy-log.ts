import { protocolNumbers } from '@weft/api'
import type { Logger } from '@weft/daemon'
import { formatIp, type IpAddress } from '@weft/ip'
import type { LoggedPacket } from '@weft/netlink'
import type { Told } from './told.ts'

/** What is needed to say in words what the kernel logged. */
export interface PolicyLogContext {
  readonly told: (prefix: string) => Told | undefined
  /** Keys of pods. */
  readonly podsAt: (ip: IpAddress) => readonly string[]
  readonly logger: Logger
  readonly onTold: (verdict: Told['verdict']) => void
  /** The kernel had more than was read. */
  readonly onLost: () => void
}

const sentences = { allowed: 'policy allowed a connection', denied: 'policy denied a connection', audit: 'policy would deny a connection' } as const
const words = new Map<number, string>([...Object.entries(protocolNumbers).map(([name, number]) => [number, name] as const), [1, 'ICMP'], [58, 'ICMPv6']])

/** Writes a line of log for each packet that a rule logs, with names for addresses. */
export async function writePolicyLog(packets: AsyncIterable<LoggedPacket | 'overrun'>, { told, podsAt, logger, onTold, onLost }: PolicyLogContext): Promise<void> {
  const nameOf = (ip: IpAddress): string | undefined => {
    const pods = podsAt(ip)
    return pods.length === 0 ? undefined : pods.join(' or ')
  }
  for await (const packet of packets) {
    if (packet === 'overrun') {
      onLost()
      continue
    }
    const known = told(packet.prefix)
    // Packets of chains that went while they were under way, and of rules that others log to our group.
    if (known === undefined || packet.head === undefined) continue
    const { source, destination, protocol, sourcePort, destinationPort } = packet.head
    onTold(known.verdict)
    logger.info({
      direction: known.direction, policies: known.policies, rule: known.rule,
      from: nameOf(source), source: formatIp(source), sourcePort, to: nameOf(destination), destination: formatIp(destination), port: destinationPort, protocol: words.get(protocol) ?? String(protocol),
    }, sentences[known.verdict])
  }
}
