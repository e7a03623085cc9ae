import { priorities, tables } from '@weft/api'
import { aggregateCidrs, type Cidr, hostCidr, parseCidr } from '@weft/ip'
import { accept, baseChain, counter, drop, eq, ip, ip6, isIn, masquerade, meta, notIn, type Rule, rule, set, type SetDeclaration, type Table, table, udp } from '@weft/nftables'
import type { OverlayConfig } from './config.ts'
import type { OverlayModel } from './model.ts'

/**
 * Decides which traffic leaves the node with the node's address, and keeps pods out of the tunnel. Rules of both families
 * are there even when a set is empty, so a first pod range never changes a chain, and a change of nodes only changes elements.
 */
export function compileRuleset({ self, peers }: OverlayModel, config: OverlayConfig): Table {
  const nodes = [self, ...peers]
  const cluster = nodes.flatMap(({ podCidrs }) => podCidrs)
  const direct = [
    ...cluster,
    ...nodes.flatMap(({ ips }) => ips.map(hostCidr)),
    ...config.masqueradeExcept,
    // NET-16. Multicast and link-local never leave the link, so they never need another address.
    ...linkScopes,
  ]
  return table({
    name: tables.overlay,
    sets: families.flatMap((family) => [intervals(`pods${family}`, family, self.podCidrs), intervals(`cluster${family}`, family, cluster), intervals(`direct${family}`, family, direct)]),
    chains: [
      baseChain('outside', { type: 'nat', hook: 'postrouting', priority: priorities.outsideSnat }, config.masquerade ? [rule(eq(meta.oifname, 'lo'), accept), leave(4), leave(6)] : []),
      baseChain('tunnel', { type: 'filter', hook: 'input', priority: priorities.policy }, config.mode === 'direct' ? [] : [forge(config.port, 4), forge(config.port, 6)]),
    ],
  })
}

const families = [4, 6] as const
const linkScopes: readonly Cidr[] = ['224.0.0.0/4', '169.254.0.0/16', 'ff00::/8', 'fe80::/10'].map(parseCidr)

function intervals(name: string, family: 4 | 6, ranges: readonly Cidr[]): SetDeclaration {
  const elements = aggregateCidrs(ranges.filter((range) => range.family === family)).map((range) => ({ key: [range] }))
  return set(name, { key: [family === 4 ? 'ipv4_addr' : 'ipv6_addr'], flags: ['interval'], elements })
}

function leave(family: 4 | 6): Rule {
  const { saddr, daddr } = family === 4 ? ip : ip6
  // fully-random: two flows that pick a port at the same moment must not pick the same one.
  return rule(isIn(saddr, `pods${family}`), notIn(daddr, `direct${family}`), masquerade({ flags: ['fully-random'] }))
}

/** VXLAN knows no sender: what a pod sends to a node's tunnel port would come out inside with any source it likes, past policy. */
function forge(port: number, family: 4 | 6): Rule {
  return rule(eq(udp.dport, port), isIn((family === 4 ? ip : ip6).saddr, `cluster${family}`), counter(), drop)
}
