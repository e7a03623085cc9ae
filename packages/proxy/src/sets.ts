import { type DataTypeName, ip, ip6, map, type MapDeclaration, meta, numgen, set, type SetDeclaration, th, typeOf } from '@weft/nftables'

export type Family = 4 | 6
export const families = [4, 6] as const

/** Everything that exists once per family: `service4`, `endpoint6`. */
export interface FamilySets {
  /** address . protocol . port -> which list of how many backends (see pick.ts). */
  readonly service: MapDeclaration
  /** The same for ports whose clients are looked at first, which are not in `service`: those with source ranges or `externalTrafficPolicy: Local`. */
  readonly checked: MapDeclaration
  /** The same for clients that are not on this node; only ports with `externalTrafficPolicy: Local`. */
  readonly local: MapDeclaration
  /** address . protocol . port . index -> backend. */
  readonly endpoint: MapDeclaration
  /** Ports with session affinity: address . protocol . port -> number of the Service port (see affinity.ts). */
  readonly affinityPort: MapDeclaration
  /** Service port . client -> number of the backend it had last; written by packets, and by nobody else. Its size is configuration. */
  readonly affinity: MapDeclaration
  /** address . protocol . port . index -> number of the backend; in place of `endpoint` for ports with session affinity. */
  readonly choice: MapDeclaration
  /** address . protocol . port . number -> backend, as long as it is one; the second for those who may only have backends of this node. */
  readonly slot: MapDeclaration
  readonly localSlot: MapDeclaration
  /** address . port . backend -> until when UDP flows may stay with it, in seconds since 1970; no rule reads it, the next process does. */
  readonly held: MapDeclaration
  /** -> the chain that picks one of so many. */
  readonly pick: MapDeclaration
  /** Cluster addresses: what no port took is refused. */
  readonly vip: SetDeclaration
  /** Ports whose clients come from anywhere and must be answered through this node. */
  readonly public: SetDeclaration
  /** Ports whose clients keep their address, except this node itself. */
  readonly kept: SetDeclaration
  /** Ports on the loopback address that somebody serves. */
  readonly loopback: SetDeclaration
  /** A pod of this node as client and backend at once. */
  readonly hairpin: SetDeclaration
  /** Ports that only some clients may use, and which. */
  readonly guarded: SetDeclaration
  readonly allowed: SetDeclaration
  /** This node and its pods. */
  readonly near: SetDeclaration
  /** All pods and nodes: clients that are reached without NAT. */
  readonly cluster: SetDeclaration
  /** Ranges of cluster IPs. */
  readonly range: SetDeclaration
  /** Cluster address of the DNS Service -> port and address of the server on this node, and back. */
  readonly dnsPort: MapDeclaration
  readonly dnsServer: MapDeclaration
  readonly dnsVip: MapDeclaration
}

/** Declarations without elements; the same for every node and cluster. */
export const sets: Readonly<Record<Family, FamilySets>> = { 4: declare(4), 6: declare(6) }

function declare(family: Family): FamilySets {
  const address: DataTypeName = family === 4 ? 'ipv4_addr' : 'ipv6_addr'
  const { daddr } = family === 4 ? ip : ip6
  const port: readonly DataTypeName[] = [address, 'inet_proto', 'inet_service']
  const indexed = typeOf(daddr, meta.l4proto, th.dport, numgen('random', 1))
  return {
    // The code travels as skb priority (`classid`), not as a mark: marks belong to everybody, and forwarding sets the
    // priority anew from TOS anyway. It is back at 0 before the packet leaves our chains.
    service: map(`service${family}`, { key: port, data: ['classid'] }),
    checked: map(`checked${family}`, { key: port, data: ['classid'] }),
    local: map(`local${family}`, { key: port, data: ['classid'] }),
    endpoint: map(`endpoint${family}`, { key: indexed, data: [address, 'inet_service'] }),
    affinityPort: map(`affinityport${family}`, { key: port, data: ['classid'] }),
    affinity: map(`affinity${family}`, { key: ['classid', address], data: ['classid'], flags: ['dynamic', 'timeout'] }),
    choice: map(`choice${family}`, { key: indexed, data: ['classid'] }),
    slot: map(`slot${family}`, { key: [...port, 'classid'], data: [address, 'inet_service'] }),
    localSlot: map(`localslot${family}`, { key: [...port, 'classid'], data: [address, 'inet_service'] }),
    held: map(`held${family}`, { key: [address, 'inet_service', address, 'inet_service'], data: ['mark'] }),
    pick: map(`pick${family}`, { key: ['classid'], data: 'verdict' }),
    vip: set(`vip${family}`, { key: [address] }),
    public: set(`public${family}`, { key: port }),
    kept: set(`kept${family}`, { key: port }),
    loopback: set(`loopback${family}`, { key: port }),
    hairpin: set(`hairpin${family}`, { key: [address, address] }),
    guarded: set(`guarded${family}`, { key: port }),
    allowed: set(`allowed${family}`, { key: [...port, address], flags: ['interval'] }),
    near: set(`near${family}`, { key: [address], flags: ['interval'] }),
    cluster: set(`cluster${family}`, { key: [address], flags: ['interval'] }),
    range: set(`range${family}`, { key: [address], flags: ['interval'] }),
    dnsPort: map(`dnsport${family}`, { key: [address], data: ['inet_service'] }),
    dnsServer: map(`dnsserver${family}`, { key: [address], data: [address] }),
    dnsVip: map(`dnsvip${family}`, { key: [address, 'inet_service'], data: [address] }),
  }
}

/** All of them in the order the table lists them: sets, then maps. */
export const allSets: readonly SetDeclaration[] = families.flatMap((family) => {
  const { vip, public: open, kept, loopback, hairpin, guarded, allowed, near, cluster, range } = sets[family]
  return [vip, open, kept, loopback, hairpin, guarded, allowed, near, cluster, range]
})
export const allMaps: readonly MapDeclaration[] = families.flatMap((family) => {
  const { service, checked, local, endpoint, affinityPort, affinity, choice, slot, localSlot, held, pick, dnsPort, dnsServer, dnsVip } = sets[family]
  return [service, checked, local, endpoint, affinityPort, affinity, choice, slot, localSlot, held, pick, dnsPort, dnsServer, dnsVip]
})
