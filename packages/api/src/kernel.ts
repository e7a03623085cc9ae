/**
 * Everything of ours in the kernel, in one place: names, numbers and hook priorities.
 *
 * One owner per kernel object (promise P8): whatever carries one of these names or numbers is ours, the rest is never
 * touched. The numbers keep clear of kube-proxy (marks 0x4000, 0x8000), Calico (marks 0xffff0000, route protocol 80),
 * Cilium (marks 0x0f00, rule preferences 9, 10, 100-111), Istio (mark 0x539), Tailscale (marks 0xff0000) and Docker.
 */

/** nftables tables, one per feature, family `inet`; where pods are ports of a bridge `weft-cni` has a second one, family `bridge`. */
export const tables = {
  cni: 'weft-cni',
  proxy: 'weft-proxy',
  overlay: 'weft-overlay',
  policy: 'weft-policy',
} as const

/**
 * Hook priorities of all features, in the order a packet meets them.
 * kube-proxy and every other NAT user sits at -100 and 100; ours are chosen so that each feature sees what it needs.
 */
export const priorities = {
  /** Anti-spoof and notrack happen before conntrack (-200). */
  raw: -300,
  /** In a bridge's hooks, before br_netfilter (0): whose a frame may be. */
  bridgePorts: -200,
  /** `type route` output: rewrites the loopback source of local clients of NodePorts. */
  loopbackSource: -300,
  serviceDnat: -100,
  /** hostPort comes after Services: it must not shadow a VIP (CVE-2019-9946). */
  hostPortDnat: -99,
  /** After DNAT: what the choice of a backend left in the priority is forgotten. */
  serviceAffinity: -90,
  /** Policy filters after DNAT and before SNAT: it sees pods, not VIPs. */
  policy: 0,
  /** What conntrack cannot place would pass untranslated. */
  serviceInvalid: 0,
  loopbackReply: 150,
  serviceSnat: 100,
  hostPortSnat: 101,
  /** Masquerade to the outside comes last: whatever a Service decided stands. */
  outsideSnat: 110,
} as const

/**
 * `proto` of routes of ours (rtnetlink rtm_protocol), one number per owner; both are free in iproute2's rt_protos and not used by peers.
 */
export const routeProtocols = { cni: 87, overlay: 88 } as const

/**
 * Addresses on `lo` that stand for 127.0.0.1 and ::1 while a local client of a node's port is on its way: loopback addresses may not leave the machine,
 * and replies to them are no longer accepted.
 */
export const loopbackStandIns = { ipv4: '169.254.87.1', ipv6: 'fd77:6566:7400::1' } as const

/** Netlink log groups: what rules log is read there. */
export const logGroups = { policy: 8700 } as const

/**
 * Bits of conntrack's mark that belong to Weft: what policy thinks of a connection. Every other bit is kept as found. Programs
 * copy one mark into the other, so these keep clear of the packet marks of others too.
 */
export const ctMarks = {
  /** Policy lets the connection pass. */
  allowed: 0x1000,
  /** It is to be judged anew: the next packet of its client is; answers pass until then. */
  pending: 0x2000,
  /** It was denied after it had begun: answers stop, and what its client sends is judged anew. */
  denied: 0x3000,
  /** Set when policy has judged, and not otherwise. */
  judged: 0x1000,
  mask: 0x3000,
} as const

/** Bits of the packet's mark that are set between two rules of a table of ours and are gone when the packet leaves it; every other bit is kept as found. */
export const scratchMarks = {
  /** The egress policies of a pod let a packet go on. The same bit of conntrack's mark is ours, so nobody else's is lost when it is cleared. */
  egressAllowed: 0x1000,
} as const

/** Routing tables and rule preferences (`ip rule`). */
export const routing = {
  /** Pods <-> remote nodes across routers go through the tunnel: `from <pods> to <node> lookup 8700`. */
  overlayTable: 8700,
  overlayRulePreference: 8700,
} as const

export const links = {
  /** Host ends of pod links: this, then 11 hex digits of a hash of the container id. */
  podPrefix: 'weft',
  /** `weft…`, as the anti-spoof rule is for what comes from it too. */
  bridge: 'weft-bridge',
  /** Not `weft…`: the anti-spoof rule matches pod links by that prefix. */
  vxlan: 'vxlan.weft',
} as const

/** Next hops inside every pod; answered by static neighbours only, so nothing has to be configured on the host. */
export const podGateways = { ipv4: '169.254.1.1', ipv6: 'fe80::1' } as const

/** Where DNS servers of Weft listen on each node, UDP and TCP. */
export const dnsPort = 10053

/**
 * Without these a node is no router (LIFE-10). `all` would have redirects sent whatever a pod's link says: a pod that meets itself through a Service gets one
 * for each packet, and for a second after it the kernel sends that pod no other ICMP error, so that a refused UDP packet is not heard of.
 */
export const forwardingSysctls = [{ 'net.ipv4.ip_forward': '1', 'net.ipv4.conf.all.send_redirects': '0' }, { 'net.ipv6.conf.all.forwarding': '1' }] as const
