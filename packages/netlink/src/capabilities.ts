import * as probes from './capability-probes.ts'
import { NetlinkError, isPermissionDenied } from './errors.ts'
import { type KernelFeature, kernelFeatures } from './kernel-feature.ts'
import { sharedNetnsWorker } from './netns-worker.ts'
import { NetlinkSocket } from './socket.ts'

/** Something of the kernel's that Weft uses where it is there. */
export interface Capability extends KernelFeature {
  readonly name: string
  /** `undefined` when it could not be found out: asking takes CAP_NET_ADMIN. */
  readonly present: boolean | undefined
  /** What Weft does without it. */
  readonly without: string
}

interface Sockets {
  readonly route: NetlinkSocket
  readonly netfilter: NetlinkSocket
}

interface Row extends Omit<Capability, 'present'> {
  readonly probe: (sockets: Sockets) => boolean
}

const link = (name: string, [since, options]: readonly [string, string], without: string): Row => ({ name, since, options, without, probe: ({ route }) => probes.linkKindPresent(route, name) })
const expression = (name: string, feature: KernelFeature, without: string): Row => ({
  ...feature,
  name: `nft ${name}`,
  without,
  probe: ({ netfilter }) => probes.expressionPresent(netfilter, name),
})

const inetTables: KernelFeature = { since: '5.2', options: 'CONFIG_NF_TABLES_INET' }

const TABLE: readonly Row[] = [
  link('veth', ['3.0', 'CONFIG_VETH'], 'refuses to run: no pod can be wired'),
  link('bridge', ['3.0', 'CONFIG_BRIDGE'], 'pods are wired without it; the sandbox refuses to start'),
  link('vxlan', ['3.12', 'CONFIG_VXLAN'], 'the overlay refuses nodes behind routers: direct routes only'),
  link('wireguard', ['5.6', 'CONFIG_WIREGUARD'], 'encryption is refused'),
  link('dummy', ['3.0', 'CONFIG_DUMMY'], 'addresses of the node agent go on lo'),
  { name: 'tbf', since: '2.6', options: 'CONFIG_NET_SCH_TBF', without: 'limits of bandwidth drop packets instead of delaying them', probe: ({ route }) => probes.tbfPresent(route) },
  { ...inetTables, name: 'nf_tables inet', without: 'refuses to run: services and policies need it', probe: ({ netfilter }) => probes.inetTablesPresent(netfilter) },
  { ...kernelFeatures.nat, name: 'nft nat chain', without: 'refuses to run: services need DNAT', probe: ({ netfilter }) => probes.chainTypePresent(netfilter, 'nat') },
  { ...inetTables, name: 'nft route chain', without: 'no NodePort on the loopback addresses', probe: ({ netfilter }) => probes.chainTypePresent(netfilter, 'route') },
  expression('numgen', kernelFeatures.numgen, 'refuses to run: endpoints are chosen with it'),
  expression('fib', kernelFeatures.fib, 'refuses to wire pods: they could send from addresses of others'),
  expression('notrack', kernelFeatures.notrack, 'DNS to the Service address is tracked like any other'),
  expression('reject', kernelFeatures.reject, 'what nobody serves is dropped instead of refused'),
  expression('redir', { since: '4.8', options: 'CONFIG_NFT_REDIR' }, 'the health port of a Service is served directly'),
  expression('masq', { since: '4.8', options: 'CONFIG_NFT_MASQ' }, 'masquerading is done with snat to the node address'),
  expression('log', { since: '3.14', options: 'CONFIG_NFT_LOG' }, 'policies do not log'),
  expression('flow_offload', { since: '4.16', options: 'CONFIG_NFT_FLOW_OFFLOAD' }, 'no fast path past the hooks'),
  { name: 'nft flowtable', since: '4.16', options: 'CONFIG_NF_FLOW_TABLE_INET', without: 'no fast path past the hooks', probe: ({ netfilter }) => probes.flowtablePresent(netfilter) },
  { name: 'conntrack netlink', since: '3.0', options: 'CONFIG_NF_CT_NETLINK', without: 'UDP clients of a deleted endpoint wait for their flow to time out', probe: ({ netfilter }) => probes.conntrackPresent(netfilter) },
  { name: 'conntrack CTA_FILTER', since: '5.8', options: 'CONFIG_NF_CT_NETLINK', without: 'flows are picked out here: the whole table is read', probe: ({ netfilter }) => probes.conntrackFilterPresent(netfilter) },
  { ...kernelFeatures.sctp, name: 'conntrack SCTP', without: 'SCTP ports of Services are refused', probe: probes.conntrackSctpPresent },
  { name: 'SO_SNDBUFFORCE', since: '2.6', options: 'CONFIG_NET', without: 'large rulesets are split by net.core.wmem_max', probe: ({ netfilter }) => probes.sndbufForcePresent(netfilter) },
  { name: 'br_netfilter', since: '3.0', options: 'CONFIG_BRIDGE_NETFILTER', without: 'pods behind a foreign bridge reach Services of their own node only by routing', probe: probes.bridgeNetfilterPresent },
  { name: 'user namespaces', since: '3.8', options: 'CONFIG_USER_NS', without: 'the sandbox needs root', probe: probes.userNamespacesPresent },
]

/**
 * Finds out what this kernel has, by asking for things in ways that make nothing: links with an impossible
 * name, nftables batches that end in an error. In a network namespace made for the purpose where rights
 * allow, else in the process's own. Takes some 50 to 150 ms: the kernel may look for modules.
 */
export async function probeCapabilities(): Promise<Capability[]> {
  const { route, netfilter } = await sockets()
  using _route = route
  using _netfilter = netfilter
  return TABLE.map(({ probe, ...row }) => ({ ...row, present: attempt(() => probe({ route, netfilter })) }))
}

/** A probe that fails for another reason than absence has found nothing out. */
function attempt(probe: () => boolean): boolean | undefined {
  try {
    return probe()
  } catch (error) {
    if (error instanceof NetlinkError) return undefined
    throw error
  }
}

async function sockets(): Promise<Sockets> {
  try {
    const [route, netfilter] = await sharedNetnsWorker().openScratch(['route', 'netfilter'])
    return { route: NetlinkSocket.fromFd(route!, 'route'), netfilter: NetlinkSocket.fromFd(netfilter!, 'netfilter') }
  } catch (error) {
    if (!isPermissionDenied(error)) throw error
    return { route: NetlinkSocket.openHere('route'), netfilter: NetlinkSocket.openHere('netfilter') }
  }
}
