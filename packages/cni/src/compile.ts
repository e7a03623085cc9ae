import { links, priorities, protocolNumbers, tables } from '@weft/api'
import { parseCidr, parseIp, type Family } from '@weft/ip'
import {
  baseChain, chain, concat, counter, dnat, drop, eq, fib, ip, ip6, isIn, jump, lookup, map, type MapDeclaration, type MapElement, meta, returnToCaller, rule, set,
  type SetDeclaration, snat, table, type Table, th,
} from '@weft/nftables'
import type { CniModel, HostPort } from './model.ts'

const words = { 4: { address: 'ipv4_addr', family: 'ip', header: ip }, 6: { address: 'ipv6_addr', family: 'ip6', header: ip6 } } as const

/**
 * Table `weft-cni`: pods send from their own addresses only, and host ports lead to pods (DESIGN.md C8 to C12).
 * Pure; the rules are the same with and without host ports, only elements come and go, save for the node's addresses.
 */
export function compileTable({ hostPorts, node }: CniModel): Table {
  const families = ([4, 6] as const).map((family) => compileFamily(family, hostPorts.filter(({ podIp }) => podIp.family === family)))
  return table({
    family: 'inet',
    name: tables.cni,
    sets: families.map(({ hairpin }) => hairpin),
    maps: families.flatMap(({ anyAddress, oneAddress }) => [anyAddress, oneAddress]),
    chains: [
      chain('hostports', [
        // Loopback addresses cannot be forwarded without route_localnet, which is never set.
        rule(eq(ip.daddr, parseCidr('127.0.0.0/8')), returnToCaller),
        rule(eq(ip6.daddr, parseIp('::1')), returnToCaller),
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
      ]),
      // Only for the node's own addresses (CVE-2025-67499), and after Services (CVE-2019-9946).
      baseChain('prerouting', { type: 'nat', hook: 'prerouting', priority: priorities.hostPortDnat }, [rule(eq(fib(['daddr'], 'type'), 'local'), jump('hostports'))]),
      baseChain('output', { type: 'nat', hook: 'output', priority: priorities.hostPortDnat }, [rule(eq(fib(['daddr'], 'type'), 'local'), jump('hostports'))]),
      // A pod that reaches itself through its host port must see another source than itself.
      baseChain('postrouting', { type: 'nat', hook: 'postrouting', priority: priorities.hostPortSnat }, families.flatMap(({ family, hairpin }) => {
        const address = node[family]
        const { header } = words[family]
        return address === undefined ? [] : [rule(isIn(concat(header.saddr, header.daddr), hairpin), snat({ family: words[family].family, to: address }))]
      })),
    ],
  })
}

interface FamilyObjects {
  readonly family: Family
  readonly hairpin: SetDeclaration
  readonly anyAddress: MapDeclaration
  readonly oneAddress: MapDeclaration
}

function compileFamily(family: Family, hostPorts: readonly HostPort[]): FamilyObjects {
  const { address } = words[family]
  const element = (hostPort: HostPort): MapElement => ({
    key: [...hostPort.hostIp === undefined ? [] : [hostPort.hostIp], protocolNumbers[hostPort.protocol], hostPort.hostPort],
    data: [hostPort.podIp, hostPort.containerPort],
  })
  const pods = [...new Map(hostPorts.map(({ podIp }) => [podIp.bits, podIp])).values()]
  return {
    family,
    hairpin: set(`hairpin${family}`, { key: [address, address], elements: pods.map((podIp) => ({ key: [podIp, podIp] })) }),
    anyAddress: map(`hostport${family}`, { key: ['inet_proto', 'inet_service'], data: [address, 'inet_service'], elements: hostPorts.filter(({ hostIp }) => hostIp === undefined).map(element) }),
    oneAddress: map(`hostip${family}`, { key: [address, 'inet_proto', 'inet_service'], data: [address, 'inet_service'], elements: hostPorts.filter(({ hostIp }) => hostIp !== undefined).map(element) }),
  }
}
