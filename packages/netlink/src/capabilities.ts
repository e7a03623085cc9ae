import * as probes from './capability-probes.ts'
import { NetlinkError, isPermissionDenied } from './errors.ts'
import { sharedNetnsWorker } from './netns-worker.ts'
import { NetlinkSocket } from './socket.ts'

/** Something of the kernel's that Weft uses where it is there. */
export interface Capability {
  readonly name: string
  /** First mainline version that has it, e.g. `5.8`. */
  readonly minimumKernel: string
  /** What the kernel is to be built with, as it says in its `.config`. */
  readonly options: string
  /** `undefined` when it could not be found out: asking takes CAP_NET_ADMIN. */
  readonly present: boolean | undefined
  /** What Weft does without it. */
  readonly without: string
}

interface Sockets {
  readonly route: NetlinkSocket
  readonly netfilter: NetlinkSocket
}

interface Row {
  readonly name: string
  readonly minimumKernel: string
  readonly options: string
  readonly without: string
  readonly probe: (sockets: Sockets) => boolean
}

const link = (name: string, [minimumKernel, options]: readonly [string, string], without: string): Row => ({ name, minimumKernel, options, without, probe: ({ route }) => probes.linkKindPresent(route, name) })
const expression = (name: string, [minimumKernel, options]: readonly [string, string], without: string): Row => ({
  name: `nft ${name}`,
  minimumKernel,
  options,
  without,
  probe: ({ netfilter }) => probes.expressionPresent(netfilter, name),
})

const TABLE: readonly Row[] = [
  link('veth', ['3.0', 'CONFIG_VETH'], 'refuses to run: no pod can be wired'),
  link('bridge', ['3.0', 'CONFIG_BRIDGE'], 'pods are wired without it; the sandbox refuses to start'),
  link('vxlan', ['3.12', 'CONFIG_VXLAN'], 'the overlay refuses nodes behind routers: direct routes only'),
  link('wireguard', ['5.6', 'CONFIG_WIREGUARD'], 'encryption is refused'),
  link('dummy', ['3.0', 'CONFIG_DUMMY'], 'addresses of the node agent go on lo'),
  { name: 'tbf', minimumKernel: '2.6', options: 'CONFIG_NET_SCH_TBF', without: 'limits of bandwidth drop packets instead of delaying them', probe: ({ route }) => probes.tbfPresent(route) },
  { name: 'nf_tables inet', minimumKernel: '5.2', options: 'CONFIG_NF_TABLES_INET', without: 'refuses to run: services and policies need it', probe: ({ netfilter }) => probes.inetTablesPresent(netfilter) },
  { name: 'nft nat chain', minimumKernel: '5.2', options: 'CONFIG_NFT_NAT', without: 'refuses to run: services need DNAT', probe: ({ netfilter }) => probes.chainTypePresent(netfilter, 'nat') },
  { name: 'nft route chain', minimumKernel: '5.2', options: 'CONFIG_NF_TABLES_INET', without: 'no NodePort on the loopback addresses', probe: ({ netfilter }) => probes.chainTypePresent(netfilter, 'route') },
  expression('numgen', ['4.9', 'CONFIG_NFT_NUMGEN'], 'refuses to run: endpoints are chosen with it'),
  expression('fib', ['4.10', 'CONFIG_NFT_FIB_INET'], 'refuses to wire pods: they could send from addresses of others'),
  expression('notrack', ['4.9', 'CONFIG_NFT_CT'], 'DNS to the Service address is tracked like any other'),
  expression('reject', ['5.9', 'CONFIG_NFT_REJECT_INET'], 'what nobody serves is dropped instead of refused'),
  expression('redir', ['4.8', 'CONFIG_NFT_REDIR'], 'the health port of a Service is served directly'),
  expression('masq', ['4.8', 'CONFIG_NFT_MASQ'], 'masquerading is done with snat to the node address'),
  expression('log', ['3.14', 'CONFIG_NFT_LOG'], 'policies do not log'),
  expression('flow_offload', ['4.16', 'CONFIG_NFT_FLOW_OFFLOAD'], 'no fast path past the hooks'),
  { name: 'nft flowtable', minimumKernel: '4.16', options: 'CONFIG_NF_FLOW_TABLE_INET', without: 'no fast path past the hooks', probe: ({ netfilter }) => probes.flowtablePresent(netfilter) },
  { name: 'conntrack netlink', minimumKernel: '3.0', options: 'CONFIG_NF_CT_NETLINK', without: 'UDP clients of a deleted endpoint wait for their flow to time out', probe: ({ netfilter }) => probes.conntrackPresent(netfilter) },
  { name: 'conntrack CTA_FILTER', minimumKernel: '5.8', options: 'CONFIG_NF_CT_NETLINK', without: 'flows are picked out here: the whole table is read', probe: ({ netfilter }) => probes.conntrackFilterPresent(netfilter) },
  { name: 'conntrack SCTP', minimumKernel: '4.19', options: 'CONFIG_NF_CT_PROTO_SCTP', without: 'SCTP ports of Services are refused', probe: probes.conntrackSctpPresent },
  { name: 'SO_SNDBUFFORCE', minimumKernel: '2.6', options: 'CONFIG_NET', without: 'large rulesets are split by net.core.wmem_max', probe: ({ netfilter }) => probes.sndbufForcePresent(netfilter) },
  { name: 'br_netfilter', minimumKernel: '3.0', options: 'CONFIG_BRIDGE_NETFILTER', without: 'pods behind a foreign bridge reach Services of their own node only by routing', probe: probes.bridgeNetfilterPresent },
  { name: 'user namespaces', minimumKernel: '3.8', options: 'CONFIG_USER_NS', without: 'the sandbox needs root', probe: probes.userNamespacesPresent },
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
  return TABLE.map(({ name, minimumKernel, options, without, probe }) => ({ name, minimumKernel, options, without, present: attempt(() => probe({ route, netfilter })) }))
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
