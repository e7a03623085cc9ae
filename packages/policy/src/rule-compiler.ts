import { type DomainPattern, formatLabelSelector, type LabelSelector, type PolicyPeer, type PolicyPort, type PolicyRule, type Protocol, protocolNumbers, selectorMatches } from '@weft/api'
import { type Comment, concat, eq, type Expression, isIn, meta, ne, notIn, range, type Rule, rule, sctp, type SetDeclaration, type Statement, tcp, th, udp } from '@weft/nftables'
import { addressRanges, addressSpans, type Block, formatBlock, inBlocks } from './address-ranges.ts'
import type { DnsPeer } from './model.ts'
import { commentOf, type Direction, dnsSetName, domainSetName, families, type Family, networkPortsSetName, networkSetName, nodeSetName, portSetName, selectorSetName, textHash } from './names.ts'
import { anyOf, peerSelector, type PeerSelector } from './peer-selector.ts'
import { networkPortElements } from './network-ports.ts'
import { coversPort, portRanges, portSpans } from './port-ranges.ts'
import { header, networkPortsSet, networkSet, portsSet } from './table.ts'
import type { LogTarget } from './tellers.ts'

/**
 * A named port: `address . protocol . port` of all pods that have a container port of that name. It means each destination's
 * own port, so one set serves every policy; which destinations is said by what stands beside it.
 */
export interface NamedPort {
  readonly id: string
  readonly name: string
  readonly protocol: Protocol
}

/** Nodes that a peer of a rule stands for. */
export interface NodeSelector {
  readonly id: string
  readonly text: string
  readonly labels: LabelSelector
}

/** Sets that rules look things up in. */
export interface UsedSets {
  readonly selectors: readonly PeerSelector[]
  readonly namedPorts: readonly NamedPort[]
  readonly nodes: readonly NodeSelector[]
  readonly domains: readonly DomainPattern[]
  /** Networks of ipBlocks and ports of rules, whole: their content is their name. */
  readonly contents: readonly SetDeclaration[]
}

export interface CompileContext {
  readonly dns: DnsPeer | undefined
  /** Undefined where nothing can be logged. */
  readonly log: LogTarget | undefined
  /** Labels of the DNS Service's namespace. */
  readonly dnsNamespaceLabels: Readonly<Record<string, string>> | undefined
  /** How many a policy has in the kernel in a direction, about. */
  readonly rulesAtMost: number
}

type Matches = readonly Statement[]
/** What follows the matches of a rule. */
type Verdict = readonly (Statement | Comment)[]

/** Selectors of a rule that have a set each. */
const sharedAtMost = 4

/** Translates rules of one policy, and remembers the sets they need. */
export class RuleCompiler {
  readonly #namespace: string
  readonly #context: CompileContext
  readonly #selectors = new Map<string, PeerSelector>()
  readonly #namedPorts = new Map<string, NamedPort>()
  readonly #nodes = new Map<string, NodeSelector>()
  readonly #domains = new Set<DomainPattern>()
  readonly #contents = new Map<string, SetDeclaration>()

  /** @param namespace Of the policy: what a podSelector alone means; empty for one of the cluster, whose peers name theirs. */
  constructor(namespace: string, context: CompileContext) {
    this.#namespace = namespace
    this.#context = context
  }

  get sets(): UsedSets {
    return { selectors: [...this.#selectors.values()], namedPorts: [...this.#namedPorts.values()], nodes: [...this.#nodes.values()], domains: [...this.#domains], contents: [...this.#contents.values()] }
  }

  /** @param verdict Of what matches a peer and a port of the rule. */
  compile(direction: Direction, each: PolicyRule, verdict: Verdict): readonly Rule[] {
    return [...this.#rules(direction, each, verdict), ...(direction === 'egress' ? this.#dnsRules(each, verdict) : [])]
  }

  /**
   * Rules of networks with ports, all of them by number, as one lookup for each family.
   *
   * @returns Undefined when they are to be written one by one.
   */
  compileNetworks(direction: Direction, rules: readonly PolicyRule[], verdict: Verdict): readonly Rule[] | undefined {
    const compiled: Rule[] = []
    for (const family of families) {
      const groups = rules.map(({ peers, ports }) => ({ addresses: addressSpans(family, blocksOf(peers)), ports: portSpans(ports) })).filter(({ addresses }) => addresses.length > 0)
      if (groups.length === 0) continue
      const elements = networkPortElements(family, groups)
      if (elements === undefined) return undefined
      const id = textHash(rules.map(({ peers, ports }) => JSON.stringify([blocksOf(peers).map(formatBlock), portRanges(ports)])).sort().join('\n'))
      compiled.push(rule(this.#content(concat(peerAddress(direction, family), meta.l4proto, th.dport), networkPortsSet(networkPortsSetName(family, id), family, elements)), ...verdict))
    }
    return [...compiled, ...(direction === 'egress' ? rules.flatMap((each) => this.#dnsRules(each, verdict)) : [])]
  }

  #rules(direction: Direction, { peers, ports }: PolicyRule, verdict: Verdict): readonly Rule[] {
    const ranges = portRanges(ports)
    const numeric = this.#portMatch(ranges)
    const named = ports.filter((port): port is PolicyPort & { readonly port: string } => typeof port.port === 'string')
    // Without addresses to compare one rule serves both families.
    if (peers.length === 0 && named.length === 0) return [rule(...numeric, ...verdict)]
    return families.flatMap((family) => {
      const matches = peers.length === 0 ? [[]] : this.#peerMatches(direction, family, { peers, ports })
      return matches.flatMap((match) => [
        ...(ports.length === 0 || ranges.length > 0 ? [rule(...match, ...numeric, ...verdict)] : []),
        ...named.map((port) => rule(...match, isIn(socketOf(family), portSetName(family, this.#namedPort(port).id)), ...verdict)),
      ])
    })
  }

  /** A match for each selector, for each name, and one for all networks together; each once, whatever the peers repeat. */
  #peerMatches(direction: Direction, family: Family, { peers, ports }: PolicyRule): readonly Matches[] {
    const selectors = [...new Map(peers.flatMap((peer) => (peer.kind === 'pods' ? [peerSelector(this.#namespace, peer)] : [])).map((selector) => [selector.id, selector])).values()]
    // Few selectors are shared with whoever writes them too; many are one lookup.
    const found = selectors.length > sharedAtMost ? [anyOf(selectors)] : selectors
    for (const selector of found) this.#selectors.set(selector.id, selector)
    const names = new Set([...found.map(({ id }) => selectorSetName(family, id)), ...peers.flatMap((peer) => (peer.kind === 'domain' ? [this.#domainSet(family, peer.name)] : []))])
    return [
      ...[...names].map((name) => [isIn(peerAddress(direction, family), name)]),
      ...new Set(peers.flatMap((peer) => (peer.kind === 'nodes' ? [this.#nodeSet(family, peer.nodes)] : []))).values().flatMap((name) => this.#nodeMatches(family, name, ports)),
      ...this.#networkMatch(direction, family, peers),
    ]
  }

  /**
   * Nodes, but not the servers of the cluster DNS on them: those are pods to who writes policies. A packet without ports is none of theirs, and has no ports to
   * look up.
   */
  #nodeMatches(family: Family, set: string, ports: readonly PolicyPort[]): readonly Matches[] {
    const isNode = isIn(header[family].daddr, set)
    const dns = this.#context.dns?.ports ?? []
    if (dns.length === 0) return [[isNode]]
    const withPorts = [isNode, ...dns.map(({ protocol, port }) => notIn(socketOf(family), dnsSetName(family, protocol, port)))]
    // Those of a rule that names ports have some.
    return ports.length > 0 ? [withPorts] : [withPorts, [isNode, ...new Set(dns.map(({ protocol }) => protocol)).values().map((protocol) => ne(meta.l4proto, protocolNumbers[protocol]))]]
  }

  #nodeSet(family: Family, labels: LabelSelector): string {
    const text = formatLabelSelector(labels)
    const selector: NodeSelector = { id: textHash(text), text, labels }
    this.#nodes.set(selector.id, selector)
    return nodeSetName(family, selector.id)
  }

  #domainSet(family: Family, name: DomainPattern): string {
    this.#domains.add(name)
    return domainSetName(family, name)
  }

  #networkMatch(direction: Direction, family: Family, peers: readonly PolicyPeer[]): readonly Matches[] {
    const blocks = blocksOf(peers).filter(({ cidr }) => cidr.family === family)
    const elements = addressRanges(family, blocks).map((value) => ({ key: [value] }))
    if (elements.length === 0) return []
    // Policies that name the same blocks in another order share the set, so nothing of it may tell whose came first.
    const text = blocks.map(formatBlock).sort().join(' ')
    const address = peerAddress(direction, family)
    if (elements.length === 1) return [[eq(address, elements[0]!.key[0]!)]]
    return [[this.#content(address, { ...networkSet(networkSetName(family, textHash(text)), family, elements), comment: commentOf(text) })]]
  }

  /** One comparison where one is enough, a lookup where it is not. */
  #portMatch(ranges: ReturnType<typeof portRanges>): Matches {
    const [first] = ranges
    if (first === undefined) return []
    if (ranges.length === 1) return [first.port === undefined ? eq(meta.l4proto, first.protocol) : eq(destinationPorts[first.protocol]!, first.port)]
    const elements = ranges.map(({ protocol, port }) => ({ key: [protocol, port ?? range(0, 65_535)] }))
    return [this.#content(concat(meta.l4proto, th.dport), portsSet(textHash(JSON.stringify(ranges)), elements))]
  }

  /** @param set Shared with all rules that mean the same. */
  #content(looked: Expression, set: SetDeclaration): Statement {
    this.#contents.set(set.name, set)
    return isIn(looked, set)
  }

  #namedPort({ port, protocol }: PolicyPort & { readonly port: string }): NamedPort {
    const named: NamedPort = { id: textHash(`${port} ${protocol}`), name: port, protocol }
    this.#namedPorts.set(named.id, named)
    return named
  }

  /**
   * DNS servers are on host networks, where no selector sees them, and on a port that is not the Service's: a rule that
   * means the Service by its pods' labels or by its address means its servers (DESIGN.md, promise 9).
   */
  #dnsRules({ peers, ports }: PolicyRule, verdict: Verdict): readonly Rule[] {
    const meant = (this.#context.dns?.ports ?? []).filter((port) => ports.length === 0 || ports.some((each) => coversPort(each, port)))
    if (meant.length === 0) return []
    const allows = (family: Family, match: Matches): readonly Rule[] => meant.map(({ protocol, port }) => rule(...match, isIn(socketOf(family), dnsSetName(family, protocol, port)), ...verdict))
    if (peers.length === 0) return ports.length === 0 ? [] : families.flatMap((family) => allows(family, []))
    if (this.#meansDns(peers)) return families.flatMap((family) => allows(family, []))
    // Servers inside of the networks; without ports the rule above has them already.
    return ports.length === 0 ? [] : families.flatMap((family) => this.#networkMatch('egress', family, peers).flatMap((match) => allows(family, match)))
  }

  #meansDns(peers: readonly PolicyPeer[]): boolean {
    const { dns, dnsNamespaceLabels } = this.#context
    if (dns === undefined) return false
    if (dns.vips.some((ip) => inBlocks(ip, blocksOf(peers)))) return true
    return peers.some((peer) => peer.kind === 'pods'
      && (peer.namespaces === undefined ? this.#namespace === dns.namespace : dnsNamespaceLabels !== undefined && selectorMatches(peer.namespaces, dnsNamespaceLabels))
      && selectorMatches(peer.pods ?? [], dns.labels))
  }
}

/** Whether what is compiled of policies is the same with another DNS: servers come and go in sets. */
export function isSameContext(a: CompileContext, b: CompileContext): boolean {
  const text = ({ dns, dnsNamespaceLabels }: CompileContext): string => JSON.stringify([
    dns?.namespace, dns?.labels, dns?.ports.map(({ protocol, port, name }) => [protocol, port, name]), dns?.vips.map(({ family, bits }) => [family, `${bits}`]), dnsNamespaceLabels,
  ])
  return text(a) === text(b)
}

const destinationPorts: Readonly<Record<number, Expression>> = { [protocolNumbers.TCP]: tcp.dport, [protocolNumbers.UDP]: udp.dport, [protocolNumbers.SCTP]: sctp.dport }

const peerAddress = (direction: Direction, family: Family): (typeof header)[Family]['saddr'] => (direction === 'ingress' ? header[family].saddr : header[family].daddr)

const socketOf = (family: Family): ReturnType<typeof concat> => concat(header[family].daddr, meta.l4proto, th.dport)

function blocksOf(peers: readonly PolicyPeer[]): readonly Block[] {
  return peers.flatMap((peer) => (peer.kind === 'ipBlock' ? [peer] : []))
}
