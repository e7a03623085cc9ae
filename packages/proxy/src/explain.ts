import { type Protocol, protocolNumbers } from '@weft/api'
import { type Cidr, cidrContains, equalIp, formatIp, type IpAddress, ipFromBits } from '@weft/ip'
import { formatElement, partsOf, recogniseRules, type Table, type TableState, type Trace, traceTables, type TraceOptions, type Value } from '@weft/nftables'
import type { Backend, VirtualPort } from './model.ts'
import type { ProxyState } from './state.ts'

/** A new connection that somebody wonders about. */
export interface ExplainQuestion {
  readonly ip: IpAddress
  readonly protocol: Protocol
  readonly port: number
  /** The client; undefined for the node itself. */
  readonly from: IpAddress | undefined
}

/** What one side does with the packet. */
export interface ExplainedSide {
  /** In a few words, e.g. `sent to 10.244.0.5:8080, source kept`. */
  readonly outcome: string
  /** Elements about this address and port, and rules that the packet passes, as nft prints them. */
  readonly lines: readonly string[]
}

export interface Explanation {
  readonly question: string
  /** Sentences out of the model. */
  readonly why: readonly string[]
  readonly model: ExplainedSide
  /** Read back; undefined when the kernel has no table of ours. */
  readonly kernel: ExplainedSide | undefined
  /** What is in the kernel's table and not ours. */
  readonly strange: readonly string[]
}

const words = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const
const kindWords = { cluster: 'a cluster IP', node: 'a NodePort', external: 'an address from outside (load balancer or external IP)' } as const
/** Backends beyond these are not told apart. */
const maxChoices = 1000

/**
 * Tells what happens to the first packet of a connection and why: in the table that the model wants, and in the one that the kernel has. The
 * packet is run through both, rule by rule; of the kernel's rules those count that are ours.
 */
export function explain(state: ProxyState, kernel: TableState | undefined, question: ExplainQuestion): Explanation {
  const { ip, port, protocol, from } = question
  const wanted = withDynamic(state.tableAt(ip), kernel?.table)
  const found = kernel === undefined ? undefined : recogniseRules(kernel, state.frame())
  const client = from === undefined || state.node.ips.some((own) => equalIp(own, from)) ? 'this node' : formatIp(from)
  return {
    question: `${place(ip, port)} ${words[protocol]} from ${client}`,
    why: reasons(state, question),
    model: side(state, wanted, question),
    kernel: found === undefined ? undefined : side(state, found.table, question),
    strange: found === undefined ? [] : found.strange.map(({ chain, rule }) => `chain ${chain}: rule with handle ${rule.handle}${rule.comment === undefined ? '' : ` (${rule.comment})`}`),
  }
}

/** Both sides in one column of text each, and what differs marked. */
export function formatExplanation({ question, why, model, kernel, strange }: Explanation): string {
  const kernelLines = new Set(kernel?.lines)
  const modelLines = new Set(model.lines)
  const rows = [...model.lines, ...(kernel?.lines ?? []).filter((line) => !modelLines.has(line))]
  const mark = (has: boolean): string => (has ? 'x' : '-')
  return [
    question, '', ...why, '',
    `model:  ${model.outcome}`,
    `kernel: ${kernel === undefined ? 'it has no table of ours' : kernel.outcome}${kernel?.outcome === model.outcome ? '' : '   (differs)'}`,
    ...strange.map((line) => `kernel: not ours, and not followed here: ${line}`), '',
    'model kernel',
    ...rows.map((line) => `  ${mark(modelLines.has(line))}     ${mark(kernelLines.has(line))}    ${line}`), '',
  ].join('\n')
}

function reasons(state: ProxyState, { ip, protocol, port, from }: ExplainQuestion): readonly string[] {
  const virtual = state.port(ip, protocol, port)
  const keys = state.servicesAt(ip)
  if (virtual === undefined) {
    if (keys.some((key) => state.get(key)?.vips.some((vip) => equalIp(vip, ip)))) return [`${formatIp(ip)} is the cluster IP of Service ${keys.join(', ')}, which has no port ${port}/${protocol}: refused.`]
    if (isIn(state.node.serviceRanges, ip)) return [`${formatIp(ip)} is in the range of cluster IPs, and no Service has it: dropped.`]
    return [`No Service has ${place(ip, port)} ${protocol}: left alone.`]
  }
  const owner = keys.find((key) => state.get(key)?.ports.includes(virtual)) ?? ''
  const dns = protocol === 'UDP' ? state.get(owner)?.localDns.find(({ vip, isUsed }) => isUsed && equalIp(vip, ip)) : undefined
  const isNear = from === undefined || isIn(state.node.nearRanges, from)
  const isInCluster = from === undefined || isIn(state.node.clusterRanges, from)
  const { kind, backends, local, elsewhere, sources } = virtual
  const used = local !== undefined && !isNear ? local : backends
  return [
    `${place(ip, port)} is ${kindWords[kind]} of Service ${owner}.`,
    `The client is ${isNear ? 'on this node' : isInCluster ? 'elsewhere in the cluster' : 'outside of the cluster'}.`,
    ...(sources === undefined ? [] : ['Only the ranges of spec.loadBalancerSourceRanges may connect.']),
    ...(dns !== undefined && isNear ? [`The DNS server on this node answers at ${place(dns.server, dns.serverPort)}, without connection tracking.`] : []),
    ...(local === undefined ? [] : [`externalTrafficPolicy is Local: clients that are not on this node get only its own ${local.length} of ${backends.length} endpoints.`]),
    used.length > 0 ? `Usable endpoints: ${used.map(describeBackend).join(', ')}.` : elsewhere || backends.length > 0 ? 'A Local policy finds no endpoint on this node, though there are some elsewhere: dropped.' : 'Nobody serves: refused.',
    ...(used.length > 0 ? [sourceReason(virtual, isInCluster)] : []),
  ]
}

function sourceReason({ kind, local }: VirtualPort, isInCluster: boolean): string {
  if (kind !== 'cluster') return local === undefined ? "The source becomes the node's, so that answers come back through it." : 'The client keeps its address (a pod that meets itself does not).'
  return isInCluster ? 'The client keeps its address (a pod that meets itself does not).' : "The client is outside of the cluster, so the source becomes the node's."
}

function describeBackend({ ip, port, local }: Backend): string {
  return `${place(ip, port)}${local ? ' on this node' : ''}`
}

function side(state: ProxyState, table: Table, question: ExplainQuestion): ExplainedSide {
  const { ips, nodePortIps } = state.node
  const { family } = question.ip
  const own = ips.find((ip) => ip.family === family)
  const isOwn = question.from === undefined || [...ips, ...nodePortIps].some((ip) => equalIp(ip, question.from!))
  const packet = {
    saddr: question.from ?? own ?? question.ip, daddr: question.ip, protocol: words[question.protocol], sport: 40_000, dport: question.port,
    ...(isOwn ? {} : { iif: 'in' }),
  }
  let choices = 1
  const run = (choice: number): Trace => {
    const options: TraceOptions = {
      local: [...ips, ...nodePortIps],
      random: (modulus) => {
        choices = Math.min(modulus, maxChoices)
        return choice % modulus
      },
    }
    return traceTables([table], packet, options)
  }
  const traces = [run(0)]
  for (let choice = 1; choice < choices; choice += 1) traces.push(run(choice))
  const rules = traces[0]!.steps.map(({ hook, chain, rule }) => `${hook} ${chain}: ${rule}`)
  return { outcome: outcomeOf(traces), lines: [...elementLines(table, question), ...rules] }
}

/** All that may happen, each once; how likely where it is not even. */
function outcomeOf(traces: readonly Trace[]): string {
  const groups = Map.groupBy(traces, describe)
  const isEven = new Set([...groups.values()].map((group) => group.length)).size === 1
  return [...groups].map(([text, group]) => (isEven ? text : `${text} (${group.length} of ${traces.length})`)).join('; or ')
}

function describe({ verdict, tracked, packet, dnat, snat }: Trace): string {
  if (verdict === 'drop') return 'dropped'
  if (verdict === 'reject') return 'refused'
  if (!tracked) return `rewritten to ${place(packet.daddr, packet.dport ?? 0)} without connection tracking`
  if (dnat === undefined) return 'left alone'
  const source = snat === undefined ? 'source kept' : `source becomes ${snat.address === 'masquerade' ? 'that of the interface' : formatIp(ipFromBits(snat.address.family, snat.address.bits))}`
  return `sent to ${place(dnat.address, dnat.port ?? 0)}, ${source}`
}

/** Elements about the address and port, and what packets of the client left behind. */
function elementLines(table: Table, { ip, protocol, port, from }: ExplainQuestion): readonly string[] {
  const isAddress = (part: Value | undefined, wanted: IpAddress | undefined): boolean => wanted !== undefined && typeof part === 'object' && 'bits' in part && part.family === wanted.family && part.bits === wanted.bits
  return [...table.sets, ...table.maps].flatMap((set) => {
    if (set.flags.includes('interval')) return []
    const isDynamic = set.flags.includes('dynamic')
    return set.elements.flatMap((element) => {
      const parts = partsOf(element.key)
      const [address, number, service] = parts
      const isAbout = isAddress(address, ip) && (parts.length === 1 || ((number === words[protocol] || number === protocolNumbers[protocol]) && service === port))
      return isAbout || (isDynamic && isAddress(address, from)) ? [`${set.name}: ${formatElement(set, { ...element, expiresMs: undefined })}`] : []
    }).sort()
  })
}

/** What packets wrote is no part of the model, and decides all the same. */
function withDynamic(wanted: Table, kernel: Table | undefined): Table {
  const found = new Map(kernel?.maps.map((map) => [map.name, map]))
  return { ...wanted, maps: wanted.maps.map((map) => (map.flags.includes('dynamic') ? { ...map, elements: found.get(map.name)?.elements ?? [] } : map)) }
}

function isIn(ranges: readonly Cidr[], ip: IpAddress): boolean {
  return ranges.some((range) => cidrContains(range, ip))
}

function place({ family, bits }: Pick<IpAddress, 'family' | 'bits'>, port: number): string {
  const text = formatIp(ipFromBits(family, bits))
  return family === 6 ? `[${text}]:${port}` : `${text}:${port}`
}
