import { links, loopbackStandIns, priorities, protocolNumbers, tables } from '@weft/api'
import { aggregateCidrs, type Cidr, parseCidr, parseIp, type Family } from '@weft/ip'
import {
  accept, assign, baseChain, chain, concat, counter, ct, dnat, drop, eq, fib, hasAny, ip, ip6, isIn, jump, lookup, map, masquerade, notIn, type Rule, type MapDeclaration, type MapElement, meta, returnToCaller, rule, set,
  type SetDeclaration, snat, table, type Table, th,
} from '@weft/nftables'
import { limitChain, limitMaps, limitRules } from './compile-limits.ts'
import type { CniModel, HostPort } from './model.ts'

const words = {
  4: { address: 'ipv4_addr', family: 'ip', header: ip, loopback: parseCidr('127.0.0.0/8'), localhost: parseIp('127.0.0.1'), standIn: parseIp(loopbackStandIns.ipv4) },
  6: { address: 'ipv6_addr', family: 'ip6', header: ip6, loopback: parseIp('::1'), localhost: parseIp('::1'), standIn: parseIp(loopbackStandIns.ipv6) },
} as const

/**
 * Table `weft-cni`: pods send from their own addresses only, and host ports lead to pods (DESIGN.md C8 to C12).
 * Pure; the rules are the same with and without host ports, only elements come and go, save for the node's addresses.
 */
export function compileTable({ hostPorts, limits = [], node, masquerade: inside = [] }: CniModel): Table {
  const families = ([4, 6] as const).map((family) => compileFamily(family, hostPorts.filter(({ podIp }) => podIp.family === family)))
  return table({
    family: 'inet',
    name: tables.cni,
    sets: [...families.flatMap(({ hairpin, localhost }) => [hairpin, localhost]), ...inside.length === 0 ? [] : ([4, 6] as const).map((family) => insideSet(family, inside))],
    maps: [...families.flatMap(({ anyAddress, oneAddress }) => [anyAddress, oneAddress]), ...limitMaps(limits)],
    chains: [
      ...limits.map(limitChain),
      chain('hostports', [
        // A loopback source that has no stand-in may not leave the machine.
        ...families.map(({ family }) => rule(eq(words[family].header.saddr, words[family].loopback), returnToCaller)),
        ...families.flatMap(({ family, anyAddress, oneAddress }) => [
          rule(dnat({ family: words[family].family, to: lookup(concat(words[family].header.daddr, meta.l4proto, th.dport), oneAddress) })),
          rule(dnat({ family: words[family].family, to: lookup(concat(meta.l4proto, th.dport), anyAddress) })),
        ]),
      ]),
      baseChain('antispoof', { type: 'filter', hook: 'prerouting', priority: priorities.raw }, [
        // The only route back over a pod's link is its own /32 and /128.
        rule(eq(meta.iifname, `${links.podPrefix}*`), eq(fib(['saddr', 'iif'], 'oif'), 'missing'), counter(), drop),
        // Neighbours are static, so a pod needs no link-local traffic; it would pass by every policy.
        rule(eq(meta.iifname, `${links.podPrefix}*`), eq(ip6.saddr, parseCidr('fe80::/10')), counter(), drop),
        ...limitRules('egress', limits),
      ]),
      ...limits.some(({ direction }) => direction === 'ingress') ? [baseChain('limit-ingress', { type: 'filter', hook: 'postrouting', priority: priorities.raw }, limitRules('ingress', limits))] : [],
      // Only for the node's own addresses (CVE-2025-67499), and after Services (CVE-2019-9946).
      baseChain('prerouting', { type: 'nat', hook: 'prerouting', priority: priorities.hostPortDnat }, [
        // A neighbour that addresses a packet to 127.0.0.1 must not get what is for this node alone (CVE-2020-8558).
        ...families.map(({ family }) => rule(eq(words[family].header.daddr, words[family].loopback), returnToCaller)),
        rule(eq(fib(['daddr'], 'type'), 'local'), jump('hostports')),
      ]),
      // Host ports on 127.0.0.1 and ::1 without route_localnet: another address of this node stands in for the source from before conntrack until the
      // answer is at its socket. `route`: the new source counts in routing.
      baseChain('loopback-output', { type: 'route', hook: 'output', priority: priorities.loopbackSource }, families.map(({ family, localhost }) => {
        const { header, localhost: own, standIn } = words[family]
        return rule(eq(header.saddr, own), isIn(concat(header.daddr, meta.l4proto, th.dport), localhost), assign(header.saddr, standIn))
      })),
      baseChain('loopback-input', { type: 'filter', hook: 'input', priority: priorities.loopbackReply }, families.map(({ family }) => {
        const { header, localhost: own, standIn } = words[family]
        return rule(eq(header.daddr, standIn), eq(header.saddr, own), assign(header.daddr, own))
      })),
      baseChain('output', { type: 'nat', hook: 'output', priority: priorities.hostPortDnat }, [rule(eq(fib(['daddr'], 'type'), 'local'), jump('hostports'))]),
      // A pod that reaches itself through its host port must see another source than itself.
      baseChain('postrouting', { type: 'nat', hook: 'postrouting', priority: priorities.hostPortSnat }, families.flatMap(({ family, hairpin }) => {
        const address = node[family]
        if (address === undefined) return []
        const { header, standIn } = words[family]
        const toNode = snat({ family: words[family].family, to: address })
        return [rule(isIn(concat(header.saddr, header.daddr), hairpin), toNode), rule(eq(header.saddr, standIn), hasAny(ct.status, 'dnat'), toNode)]
      })),
      ...inside.length === 0 ? [] : [baseChain('outside', { type: 'nat', hook: 'postrouting', priority: priorities.outsideSnat }, [rule(eq(meta.oifname, 'lo'), accept), leave(4), leave(6)])],
    ],
  })
}

/** Multicast and link-local never leave the link, so they need no other address (NET-16). */
const linkScopes = ['224.0.0.0/4', '169.254.0.0/16', 'ff00::/8', 'fe80::/10'].map(parseCidr)

function insideSet(family: Family, networks: readonly Cidr[]): SetDeclaration {
  return set(`inside${family}`, { key: [words[family].address], flags: ['interval'], elements: aggregateCidrs([...networks, ...linkScopes].filter((network) => network.family === family)).map((network) => ({ key: [network] })) })
}

function leave(family: Family): Rule {
  const { saddr, daddr } = words[family].header
  // fully-random: two flows that pick a port at the same moment must not pick the same one.
  return rule(isIn(saddr, `inside${family}`), notIn(daddr, `inside${family}`), masquerade({ flags: ['fully-random'] }))
}

interface FamilyObjects {
  readonly family: Family
  readonly hairpin: SetDeclaration
  /** Ports that are served on the loopback address. */
  readonly localhost: SetDeclaration
  readonly anyAddress: MapDeclaration
  readonly oneAddress: MapDeclaration
}

function compileFamily(family: Family, hostPorts: readonly HostPort[]): FamilyObjects {
  const { address, localhost } = words[family]
  const element = (hostPort: HostPort): MapElement => ({
    key: [...hostPort.hostIp === undefined ? [] : [hostPort.hostIp], protocolNumbers[hostPort.protocol], hostPort.hostPort],
    data: [hostPort.podIp, hostPort.containerPort],
  })
  const pods = [...new Map(hostPorts.map(({ podIp }) => [podIp.bits, podIp])).values()]
  return {
    family,
    hairpin: set(`hairpin${family}`, { key: [address, address], elements: pods.map((podIp) => ({ key: [podIp, podIp] })) }),
    localhost: set(`localhost${family}`, {
      key: [address, 'inet_proto', 'inet_service'],
      elements: hostPorts.filter(({ hostIp }) => hostIp === undefined || hostIp.bits === localhost.bits).map(({ protocol, hostPort }) => ({ key: [localhost, protocolNumbers[protocol], hostPort] })),
    }),
    anyAddress: map(`hostport${family}`, { key: ['inet_proto', 'inet_service'], data: [address, 'inet_service'], elements: hostPorts.filter(({ hostIp }) => hostIp === undefined).map(element) }),
    oneAddress: map(`hostip${family}`, { key: [address, 'inet_proto', 'inet_service'], data: [address, 'inet_service'], elements: hostPorts.filter(({ hostIp }) => hostIp !== undefined).map(element) }),
  }
}
