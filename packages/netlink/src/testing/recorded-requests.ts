import { ifIndexFrom, loopbackIfIndex, parseCidr, parseIp, parseMac } from '@weft/ip'
import { decodeInterfaceAddress } from '../address.ts'
import { decodeAttributes } from '../attributes.ts'
import * as k from '../kernel-constants.gen.ts'
import type { NetlinkMessage, NetlinkRequest } from '../message.ts'
import { decodeFdbEntry, decodeNeighbour } from '../neighbour.ts'
import { requests } from '../requests.ts'
import { decodeRoute, getRouteRequest } from '../route.ts'
import { decodeRule } from '../rule.ts'
import { toHex } from './recording.ts'

/** A command whose request was recorded, and the same as a request of ours. Indexes are those of `network.sh`. */
export interface RecordedRequest {
  readonly command: string
  readonly ours: NetlinkRequest
  /** What a request says, in whatever order its attributes come. */
  readonly meaning: (payload: Uint8Array) => unknown
}

const V0 = ifIndexFrom(10)
const V1 = ifIndexFrom(11)
const VX4 = ifIndexFrom(20)
const BR1 = ifIndexFrom(31)

function decoded(decode: (message: NetlinkMessage) => unknown): RecordedRequest['meaning'] {
  return (payload) => decode({ type: 0, flags: 0, sequence: 0, port: 0, payload })
}

const address = decoded(decodeInterfaceAddress)
const route = decoded(decodeRoute)
const rule = decoded(decodeRule)
const neighbour = decoded(decodeNeighbour)
const forwarding = decoded(decodeFdbEntry)
const mac = parseMac('02:00:00:00:00:40')

export const recordedRequests: readonly RecordedRequest[] = [
  {
    command: 'ip link add weft0 index 40 address 02:00:00:00:00:40 mtu 1450 type veth peer name eth0 address 02:00:00:00:00:41 mtu 1400',
    ours: requests.addLink({ kind: 'veth', name: 'weft0', index: ifIndexFrom(40), mac, mtu: 1450, peer: { name: 'eth0', mac: parseMac('02:00:00:00:00:41'), mtu: 1400 } }),
    meaning: linkMeaning,
  },
  { command: 'ip link add weft8 type bridge nf_call_iptables 1 nf_call_ip6tables 1', ours: requests.addLink({ kind: 'bridge', name: 'weft8', ipHooks: true }), meaning: linkMeaning },
  { command: 'ip link add weft1 type bridge stp_state 1 mcast_snooping 0', ours: requests.addLink({ kind: 'bridge', name: 'weft1', stp: true, multicastSnooping: false }), meaning: linkMeaning },
  {
    command: 'ip link add weft2 address 02:00:00:00:00:40 type vxlan id 79 dev v0 local 10.0.0.1 remote 10.0.0.2 dstport 8472 nolearning ttl 9 udpcsum',
    ours: requests.addLink({ kind: 'vxlan', name: 'weft2', mac, vni: 79, device: V0, local: parseIp('10.0.0.1'), remote: parseIp('10.0.0.2'), port: 8472, learning: false, ttl: 9, udpChecksum: true }),
    meaning: linkMeaning,
  },
  {
    command: 'ip link add weft3 type vxlan id 80 dev v0 local fd00::1 dstport 8472 learning udp6zerocsumtx udp6zerocsumrx',
    ours: requests.addLink({ kind: 'vxlan', name: 'weft3', vni: 80, device: V0, local: parseIp('fd00::1'), port: 8472, learning: true, udp6ZeroChecksum: true }),
    meaning: linkMeaning,
  },
  { command: 'ip link set dev v0 mtu 1400', ours: requests.setLink(V0, { mtu: 1400 }), meaning: linkMeaning },
  { command: 'ip link set dev v0 up', ours: requests.setLink(V0, { up: true }), meaning: linkMeaning },
  { command: 'ip link set dev v0 address 02:00:00:00:00:40', ours: requests.setLink(V0, { mac }), meaning: linkMeaning },
  { command: 'ip link set dev v1 nomaster', ours: requests.setLink(V1, { master: 0 }), meaning: linkMeaning },
  { command: 'ip link set dev v1 master br1', ours: requests.setLink(V1, { master: BR1 }), meaning: linkMeaning },
  { command: 'ip link set dev v1 txqueuelen 500', ours: requests.setLink(V1, { txQueueLength: 500 }), meaning: linkMeaning },
  { command: 'ip link set dev v1 group 5', ours: requests.setLink(V1, { group: 5 }), meaning: linkMeaning },
  { command: 'bridge link set dev v1 hairpin on isolated on learning off flood off', ours: requests.setBridgePort(V1, { hairpin: true, isolated: true, learning: false, flood: false }), meaning: linkMeaning },
  { command: 'ip link delete dev weft3', ours: requests.deleteLink(ifIndexFrom(43)), meaning: (payload) => ({ ...(linkMeaning(payload) as object), header: '' }) },

  { command: 'ip address add 10.0.0.6/32 dev v0 noprefixroute', ours: requests.addAddress({ ifIndex: V0, address: parseIp('10.0.0.6'), prefix: 32, noPrefixRoute: true }), meaning: address },
  { command: 'ip address add 10.0.0.7 peer 10.0.0.8/32 dev v0 scope link label v0:x', ours: requests.addAddress({ ifIndex: V0, address: parseIp('10.0.0.7'), peer: parseIp('10.0.0.8'), prefix: 32, scope: 'link', label: 'v0:x' }), meaning: address },
  { command: 'ip address add fd00::6/128 dev v0 nodad', ours: requests.addAddress({ ifIndex: V0, address: parseIp('fd00::6'), prefix: 128, noDad: true }), meaning: address },
  { command: 'ip address replace fd00::6/128 dev v0 nodad', ours: requests.replaceAddress({ ifIndex: V0, address: parseIp('fd00::6'), prefix: 128, noDad: true }), meaning: address },
  { command: 'ip address delete 10.0.0.6/32 dev v0', ours: requests.deleteAddress({ ifIndex: V0, address: parseIp('10.0.0.6'), prefix: 32 }), meaning: address },

  {
    command: 'ip route add 10.40.0.0/16 via 10.0.0.2 dev v0 src 10.0.0.1 mtu 1400 advmss 1360 metric 5 table 1000 proto 77',
    ours: requests.addRoute({ destination: parseCidr('10.40.0.0/16'), via: parseIp('10.0.0.2'), ifIndex: V0, source: parseIp('10.0.0.1'), mtu: 1400, advertisedMss: 1360, metric: 5, table: 1000, protocol: 77 }),
    meaning: route,
  },
  { command: 'ip route add 10.41.0.1/32 dev v0 proto 77', ours: requests.addRoute({ destination: parseCidr('10.41.0.1/32'), ifIndex: V0, protocol: 77 }), meaning: route },
  { command: 'ip route replace 10.41.0.1/32 via 192.0.2.3 dev v0 onlink proto 77', ours: requests.replaceRoute({ destination: parseCidr('10.41.0.1/32'), via: parseIp('192.0.2.3'), ifIndex: V0, onlink: true, protocol: 77 }), meaning: route },
  { command: 'ip route add 10.42.0.0/16 via inet6 fe80::7 dev v0 proto 77', ours: requests.addRoute({ destination: parseCidr('10.42.0.0/16'), via: parseIp('fe80::7'), ifIndex: V0, protocol: 77 }), meaning: route },
  {
    command: 'ip route add 10.43.0.0/16 proto 77 nexthop via 10.0.0.2 dev v0 weight 3 nexthop via inet6 fe80::3 dev v0 nexthop via 192.0.2.3 dev v0 onlink',
    ours: requests.addRoute({ destination: parseCidr('10.43.0.0/16'), protocol: 77, nextHops: [{ via: parseIp('10.0.0.2'), ifIndex: V0, weight: 3 }, { via: parseIp('fe80::3'), ifIndex: V0 }, { via: parseIp('192.0.2.3'), ifIndex: V0, onlink: true }] }),
    meaning: route,
  },
  { command: 'ip route add unreachable 10.44.0.0/16 proto 77', ours: requests.addRoute({ destination: parseCidr('10.44.0.0/16'), type: 'unreachable', protocol: 77 }), meaning: route },
  { command: 'ip route add local 10.45.0.0/16 dev lo table 255 proto 77', ours: requests.addRoute({ destination: parseCidr('10.45.0.0/16'), type: 'local', ifIndex: loopbackIfIndex, table: 255, protocol: 77 }), meaning: route },
  { command: 'ip -6 route add default via fe80::7 dev v0 metric 7 proto 77', ours: requests.addRoute({ destination: parseCidr('::/0'), via: parseIp('fe80::7'), ifIndex: V0, metric: 7, protocol: 77 }), meaning: route },
  { command: 'ip -6 route add fd40::1/128 dev v0 src fd00::1 proto 77', ours: requests.addRoute({ destination: parseCidr('fd40::1/128'), ifIndex: V0, source: parseIp('fd00::1'), protocol: 77 }), meaning: route },
  // Without a type, a deletion is of any type.
  { command: 'ip route delete 10.40.0.0/16 table 1000 proto 77', ours: requests.deleteRoute({ destination: parseCidr('10.40.0.0/16'), table: 1000, protocol: 77 }), meaning: (payload) => attributesOf(payload, 12) },
  { command: 'ip route get 10.0.0.9 from 10.0.0.1 oif v0 mark 7', ours: getRouteRequest(parseIp('10.0.0.9'), { from: parseIp('10.0.0.1'), ifIndex: V0, mark: 7 }), meaning: (payload) => attributesOf(payload, 12) },

  {
    command: 'ip rule add from 10.0.0.0/8 to 10.40.0.0/16 iif v0 fwmark 0x10/0xff table 1000 priority 200 suppress_prefixlength 0 protocol 77',
    ours: requests.addRule({ family: 4, priority: 200, from: parseCidr('10.0.0.0/8'), to: parseCidr('10.40.0.0/16'), iif: 'v0', mark: 0x10, mask: 0xff, table: 1000, suppressPrefixLength: 0, protocol: 77 }),
    meaning: rule,
  },
  { command: 'ip -6 rule add not from fd40::/16 ipproto udp oif v0 unreachable priority 201 protocol 77', ours: requests.addRule({ family: 6, priority: 201, from: parseCidr('fd40::/16'), invert: true, ipProtocol: 17, oif: 'v0', action: 'unreachable', protocol: 77 }), meaning: rule },
  { command: 'ip -6 rule delete not from fd40::/16 ipproto udp oif v0 unreachable priority 201 protocol 77', ours: requests.deleteRule({ family: 6, priority: 201, from: parseCidr('fd40::/16'), invert: true, ipProtocol: 17, oif: 'v0', action: 'unreachable', protocol: 77 }), meaning: rule },

  { command: 'ip neighbour replace 10.0.0.40 lladdr 02:00:00:00:00:40 dev v0 nud permanent protocol 77', ours: requests.replaceNeighbour({ ifIndex: V0, address: parseIp('10.0.0.40'), mac, protocol: 77 }), meaning: neighbour },
  { command: 'ip neighbour replace fe80::40 lladdr 02:00:00:00:00:40 dev v0 nud permanent', ours: requests.replaceNeighbour({ ifIndex: V0, address: parseIp('fe80::40'), mac }), meaning: neighbour },
  { command: 'ip neighbour replace proxy 10.0.0.41 dev v0', ours: requests.replaceNeighbour({ ifIndex: V0, address: parseIp('10.0.0.41'), proxy: true }), meaning: (payload) => ({ ...(neighbour(payload) as object), state: 'the kernel does not look at it' }) },
  { command: 'bridge fdb replace 02:00:00:00:00:98 dev v1 master static', ours: requests.replaceFdb({ ifIndex: V1, mac: parseMac('02:00:00:00:00:98'), table: 'master' }), meaning: forwarding },
  { command: 'bridge fdb append 00:00:00:00:00:00 dev vx4 dst 10.0.0.40 self permanent', ours: requests.appendFdb({ ifIndex: VX4, mac: parseMac('00:00:00:00:00:00'), destination: parseIp('10.0.0.40') }), meaning: forwarding },
  { command: 'bridge fdb replace 02:00:00:00:00:40 dev vx4 dst 10.0.0.40 port 4789 vni 99 via v0 self permanent', ours: requests.replaceFdb({ ifIndex: VX4, mac, destination: parseIp('10.0.0.40'), port: 4789, vni: 99, via: V0 }), meaning: forwarding },
  { command: 'bridge fdb delete 02:00:00:00:00:40 dev vx4 dst 10.0.0.40 port 4789 vni 99 via v0 self permanent', ours: requests.deleteFdb({ ifIndex: VX4, mac, destination: parseIp('10.0.0.40'), port: 4789, vni: 99, via: V0 }), meaning: forwarding },
]

type Tree = { readonly [type: string]: string | Tree }

/** A link message: its header, and its attributes down to the peer of a veth pair, which is a link message again. */
function linkMeaning(payload: Uint8Array): unknown {
  return { header: toHex(payload.subarray(0, 16)), ...attributesOf(payload, 16) }
}

/** Attributes by type, as hexadecimal. Strings come with and without a zero byte at the end. */
function attributesOf(payload: Uint8Array, headerLength: number): Tree {
  const attributes = decodeAttributes(payload, headerLength)
  return Object.fromEntries([...attributes.types()].map((type) => {
    const bytes = attributes.bytes(type)!
    if (headerLength === 16 && type === k.IFLA_LINKINFO) return [type, linkInfoOf(bytes)]
    if (headerLength === 16 && type === k.IFLA_PROTINFO) return [type, attributesOf(bytes, 0)]
    return [type, headerLength === 16 && type === k.IFLA_IFNAME ? textOf(bytes) : toHex(bytes)]
  }))
}

function linkInfoOf(bytes: Uint8Array): Tree {
  const info = decodeAttributes(bytes)
  const kind = textOf(info.bytes(k.IFLA_INFO_KIND)!)
  const data = info.bytes(k.IFLA_INFO_DATA)
  if (data === undefined) return { kind }
  return { kind, data: kind === 'veth' ? (linkMeaning(decodeAttributes(data).bytes(k.VETH_INFO_PEER)!) as Tree) : attributesOf(data, 0) }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').replace(/\0$/, '')
}
