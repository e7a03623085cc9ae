import { links, priorities, tables } from '@weft/api'
import type { Family } from '@weft/ip'
import { accept, baseChain, concat, counter, drop, eq, ether, ip, ip6, isIn, meta, oneOf, rule, set, type SetDeclaration, table, type Table } from '@weft/nftables'
import { limitChain, limitMaps, limitRules } from './compile-limits.ts'
import type { BridgePort, PodLimit } from './model.ts'

/** What bridge ports may pass on to the kernel and get from each other. */
export interface BridgeModel {
  readonly ports: readonly BridgePort[]
  readonly limits: readonly PodLimit[]
}

const ofPods = `${links.podPrefix}*`

/**
 * Table `bridge weft-cni`: what comes out of a pod has that pod's address, and what goes from port to port that of the pod behind it; so one pod
 * is as far from another as on a link of its own (DESIGN.md C23). Neighbours are static: there is no ARP and no neighbour discovery to be forged.
 * What remains meets the tables of IP, as br_netfilter hands it to them.
 */
export function compileBridgeTable({ ports, limits }: BridgeModel): Table {
  const [port4, port6] = [portSet(4, ports), portSet(6, ports)]
  return table({
    family: 'bridge',
    name: tables.cni,
    sets: [port4, port6],
    maps: limitMaps(limits),
    chains: [
      ...limits.map(limitChain),
      baseChain('antispoof', { type: 'filter', hook: 'prerouting', priority: priorities.bridgePorts }, [
        // br_netfilter shows no tagged frame to anybody, and a tag of zero is none to who receives it.
        rule(eq(meta.iifname, ofPods), oneOf(ether.type, ['8021q', '8021ad']), counter(), drop),
        ...limitRules('egress', limits),
        rule(isIn(concat(meta.iifname, ip.saddr), port4), accept),
        rule(isIn(concat(meta.iifname, ip6.saddr), port6), accept),
        rule(eq(meta.iifname, ofPods), counter(), drop),
      ]),
      // A frame for another pod that says it were for somebody else, or for all, would pass by policies, which go by addresses.
      baseChain('forward', { type: 'filter', hook: 'forward', priority: priorities.bridgePorts }, [
        rule(isIn(concat(meta.oifname, ip.daddr), port4), accept),
        rule(isIn(concat(meta.oifname, ip6.daddr), port6), accept),
        rule(eq(meta.oifname, ofPods), counter(), drop),
      ]),
      ...limits.some(({ direction }) => direction === 'ingress') ? [baseChain('limit-ingress', { type: 'filter', hook: 'postrouting', priority: priorities.bridgePorts }, limitRules('ingress', limits))] : [],
    ],
  })
}

function portSet(family: Family, ports: readonly BridgePort[]): SetDeclaration {
  return set(`port${family}`, {
    key: ['ifname', family === 4 ? 'ipv4_addr' : 'ipv6_addr'],
    elements: ports.flatMap(({ hostIfname, ips }) => ips.filter((address) => address.family === family).map((address) => ({ key: [hostIfname, address] }))),
  })
}
