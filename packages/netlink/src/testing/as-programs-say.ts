// What `ip -j -d -N`, `bridge -j -d` and `conntrack -L -o extended,id` print, as values of this package.
import { type IfIndex, ifIndexFrom, type IpAddress, parseCidr, parseIp, parseMac } from '@weft/ip'
import type { InterfaceAddress } from '../address.ts'
import type { ConntrackEntry, ConntrackTuple } from '../conntrack-entry.ts'
import type { Link, OperState, VxlanDetails } from '../link.ts'
import type { FdbEntry, Neighbour, NeighbourState } from '../neighbour.ts'
import type { NextHop, Route, RouteType } from '../route.ts'
import type { Rule, RuleAction } from '../rule.ts'
import { scopeName } from '../scope.ts'

/** Link names to indexes. */
export type LinkIndexes = Readonly<Record<string, number>>
/** One object of a program's JSON. */
export type Said = Readonly<Record<string, unknown>>

const ROUTE_TYPES: readonly (RouteType | undefined)[] = [undefined, 'unicast', 'local', 'broadcast', 'anycast', 'multicast', 'blackhole', 'unreachable', 'prohibit', 'throw']
const RULE_ACTIONS: Readonly<Record<string, RuleAction>> = { 6: 'blackhole', 7: 'unreachable', 8: 'prohibit' }
const TCP_STATES: readonly string[] = ['NONE', 'SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK', 'TIME_WAIT', 'CLOSE']

/** `ip -j -d -N link show`. IFF_ flags have more bits than the program prints. */
export function linkSaid(said: Said, links: LinkIndexes): Omit<Link, 'flags'> {
  const flags = said['flags'] as readonly string[]
  const info = said['linkinfo'] as Said | undefined
  return {
    index: ifIndexFrom(said['ifindex'] as number),
    name: said['ifname'] as string,
    kind: info?.['info_kind'] as string | undefined,
    mac: parseMac(said['address'] as string),
    mtu: said['mtu'] as number,
    up: flags.includes('UP'),
    running: flags.includes('UP') && !flags.includes('NO-CARRIER'),
    operState: (said['operstate'] as string).toLowerCase() as OperState,
    hardware: Number((said['link_type'] as string).slice(1, -1)),
    master: indexOf(said['master'], links),
    // A name where the other end is in the same namespace.
    peerIndex: (said['link_index'] === undefined ? undefined : ifIndexFrom(said['link_index'] as number)) ?? indexOf(said['link'], links),
    peerNetnsId: said['link_netnsid'] as number | undefined,
    alias: said['ifalias'] as string | undefined,
    group: Number(said['group']),
    qdisc: said['qdisc'] as string,
    ipHooks: info?.['info_kind'] === 'bridge' ? ipHooksSaid(info['info_data'] as Said) : undefined,
    vxlan: info?.['info_kind'] === 'vxlan' ? vxlanSaid(info['info_data'] as Said, links) : undefined,
  }
}

function ipHooksSaid(said: Said): boolean {
  return said['nf_call_iptables'] === 1 && said['nf_call_ip6tables'] === 1
}

function vxlanSaid(said: Said, links: LinkIndexes): VxlanDetails {
  return {
    vni: said['id'] as number,
    port: said['port'] as number,
    local: ipOf(said['local'] ?? said['local6']),
    remote: ipOf(said['remote'] ?? said['remote6']),
    device: indexOf(said['link'], links),
    learning: said['learning'] as boolean,
    ttl: said['ttl'] as number,
    udpChecksum: said['udp_csum'] as boolean,
    udp6ZeroChecksum: said['udp_zero_csum6_tx'] as boolean,
  }
}

/** One entry of `addr_info` in `ip -j -d -N address show`. */
export function addressSaid(said: Said, ifIndex: IfIndex): InterfaceAddress {
  const address = parseIp(said['local'] as string)
  return {
    ifIndex,
    family: address.family,
    address,
    prefix: said['prefixlen'] as number,
    peer: ipOf(said['address']),
    scope: scopeName(Number(said['scope'])),
    noDad: said['nodad'] === true,
    noPrefixRoute: said['noprefixroute'] === true,
    tentative: said['tentative'] === true,
    dadFailed: said['dadfailed'] === true,
    deprecated: said['deprecated'] === true,
    permanent: said['dynamic'] !== true,
    label: said['label'] as string | undefined,
  }
}

/** `ip -j -d -N [-6] route show table all` */
export function routeSaid(said: Said, links: LinkIndexes, family: 4 | 6): Route {
  const flags = said['flags'] as readonly string[]
  const [metrics] = (said['metrics'] ?? []) as readonly Said[]
  const destination = said['dst'] as string
  return {
    family,
    destination: parseCidr(destination === 'default' ? (family === 4 ? '0.0.0.0/0' : '::/0') : destination.includes('/') ? destination : `${destination}/${family === 4 ? 32 : 128}`),
    type: ROUTE_TYPES[Number(said['type'])]!,
    via: gatewaySaid(said),
    ifIndex: indexOf(said['dev'], links),
    source: ipOf(said['prefsrc']),
    table: Number(said['table']),
    protocol: Number(said['protocol']),
    scope: scopeName(Number(said['scope'])),
    metric: (said['metric'] as number | undefined) ?? 0,
    onlink: flags.includes('onlink'),
    dead: flags.includes('dead') || flags.includes('linkdown'),
    mtu: metrics?.['mtu'] as number | undefined,
    advertisedMss: metrics?.['advmss'] as number | undefined,
    nextHops: ((said['nexthops'] ?? []) as readonly Said[]).map((hop): NextHop => ({
      via: gatewaySaid(hop),
      ifIndex: indexOf(hop['dev'], links)!,
      weight: hop['weight'] as number,
      onlink: (hop['flags'] as readonly string[]).includes('onlink'),
    })),
  }
}

function gatewaySaid(said: Said): IpAddress | undefined {
  return ipOf(said['gateway'] ?? (said['via'] as Said | undefined)?.['host'])
}

/** `ip -j -d -N [-6] rule show` */
export function ruleSaid(said: Said, family: 4 | 6): Rule {
  const network = (address: string, length: string): Rule['from'] => {
    if (said[address] === undefined || said[address] === 'all') return undefined
    return parseCidr(`${said[address] as string}/${(said[length] as number | undefined) ?? (family === 4 ? 32 : 128)}`)
  }
  const mark = said['fwmark'] === undefined ? undefined : Number(said['fwmark'])
  return {
    family,
    priority: said['priority'] as number,
    from: network('src', 'srclen'),
    to: network('dst', 'dstlen'),
    iif: said['iif'] as string | undefined,
    oif: said['oif'] as string | undefined,
    mark,
    // Not printed when all bits count.
    mask: said['fwmask'] === undefined ? (mark === undefined ? undefined : 0xffff_ffff) : Number(said['fwmask']),
    ipProtocol: said['ipproto'] === undefined ? undefined : Number((said['ipproto'] as string).replace('ipproto-', '')),
    invert: 'not' in said,
    action: said['action'] === undefined ? 'table' : RULE_ACTIONS[said['action'] as string]!,
    table: Number(said['table'] ?? 0),
    suppressPrefixLength: said['suppress_prefixlength'] as number | undefined ?? (said['suppress_prefixlen'] as number | undefined),
    protocol: Number(said['protocol']),
  }
}

/** `ip -j -N neighbour show nud all`, or `… show proxy` */
export function neighbourSaid(said: Said, links: LinkIndexes): Neighbour {
  const mac = said['lladdr'] as string | undefined
  return {
    ifIndex: indexOf(said['dev'], links)!,
    address: parseIp(said['dst'] as string),
    mac: mac === undefined ? undefined : parseMac(mac),
    state: ((said['state'] as readonly string[] | undefined)?.[0]?.toLowerCase() ?? 'none') as NeighbourState,
    proxy: 'proxy' in said,
    router: 'router' in said,
    protocol: Number(said['protocol'] ?? 0),
  }
}

/** `bridge -j -d fdb show` */
export function fdbSaid(said: Said, links: LinkIndexes): FdbEntry {
  return {
    ifIndex: indexOf(said['ifname'], links)!,
    mac: parseMac(said['mac'] as string),
    destination: ipOf(said['dst']),
    port: said['port'] as number | undefined,
    vni: said['vni'] as number | undefined,
    master: indexOf(said['master'], links),
    permanent: said['state'] === 'permanent',
    static: said['state'] === 'static',
    self: (said['flags'] as readonly string[]).includes('self'),
  }
}

/** A line of `conntrack -L -o extended,id`; that a flow is translated shows in its two tuples. */
export function flowSaid(line: string): Omit<ConntrackEntry, 'key' | 'status'> {
  const [family, , , protocol, timeout, ...rest] = line.split(/\s+/)
  const pairs = rest.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string])
  const all = (key: string): string[] => pairs.filter(([name]) => name === key).map(([, value]) => value)
  const number = (key: string): number => Number(all(key)[0] ?? 0)
  const tuple = (at: 0 | 1): ConntrackTuple => ({
    source: parseIp(all('src')[at]!),
    destination: parseIp(all('dst')[at]!),
    protocol: Number(protocol),
    sourcePort: all('sport')[at] === undefined ? undefined : Number(all('sport')[at]),
    destinationPort: all('dport')[at] === undefined ? undefined : Number(all('dport')[at]),
  })
  const [original, reply] = [tuple(0), tuple(1)]
  const counters = all('packets').map(BigInt)
  const bytes = all('bytes').map(BigInt)
  return {
    family: family === 'ipv4' ? 4 : 6,
    protocol: Number(protocol),
    original,
    reply,
    seenReply: !line.includes('[UNREPLIED]'),
    assured: line.includes('[ASSURED]'),
    sourceNat: reply.destination.bits !== original.source.bits || reply.destinationPort !== original.sourcePort,
    destinationNat: reply.source.bits !== original.destination.bits || reply.sourcePort !== original.destinationPort,
    mark: number('mark'),
    zone: number('zone'),
    timeoutSeconds: Number(timeout),
    // ICMP flows have an id of their own, before.
    id: Number(all('id').at(-1)),
    tcpState: protocol === '6' ? TCP_STATES.indexOf(rest[0]!) : undefined,
    counters: counters.length < 2 ? undefined : { originalPackets: counters[0]!, originalBytes: bytes[0]!, replyPackets: counters[1]!, replyBytes: bytes[1]! },
  }
}

function indexOf(name: unknown, links: LinkIndexes): IfIndex | undefined {
  return name === undefined ? undefined : ifIndexFrom(links[name as string]!)
}

function ipOf(text: unknown): IpAddress | undefined {
  return text === undefined ? undefined : parseIp(text as string)
}
