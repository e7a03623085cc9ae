import { formatLabelSelector, type LabelSelector, type PolicyPeer, type PolicyPort, type PolicyRule, type Protocol, selectorMatches } from '@weft/api'
import { formatCidr } from '@weft/ip'
import { type Comment, concat, isIn, meta, oneOf, type Rule, rule, type SetDeclaration, type Statement, th } from '@weft/nftables'
import { addressRanges, type Block, inBlocks } from './address-ranges.ts'
import type { DnsPeer } from './model.ts'
import { commentOf, type Direction, dnsSetName, domainSetName, families, type Family, networkSetName, nodeSetName, portSetName, selectorSetName, textHash } from './names.ts'
import { peerSelector, type PeerSelector } from './peer-selector.ts'
import { coversPort, portRanges } from './port-ranges.ts'
import { header, networkSet } from './table.ts'
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
  readonly domains: readonly string[]
  /** Networks of ipBlocks, whole: their content is their name. */
  readonly networks: readonly SetDeclaration[]
}

export interface CompileContext {
  readonly dns: DnsPeer | undefined
  /** Undefined where nothing can be logged. */
  readonly log: LogTarget | undefined
  /** Labels of the DNS Service's namespace. */
  readonly dnsNamespaceLabels: Readonly<Record<string, string>> | undefined
}

type Matches = readonly Statement[]
/** What follows the matches of a rule. */
type Verdict = readonly (Statement | Comment)[]

/** Translates rules of one policy, and remembers the sets they need. */
export class RuleCompiler {
  readonly #namespace: string
  readonly #context: CompileContext
  readonly #selectors = new Map<string, PeerSelector>()
  readonly #namedPorts = new Map<string, NamedPort>()
  readonly #nodes = new Map<string, NodeSelector>()
  readonly #domains = new Set<string>()
  readonly #networks = new Map<string, SetDeclaration>()

  /** @param namespace Of the policy: what a podSelector alone means; empty for one of the cluster, whose peers name theirs. */
  constructor(namespace: string, context: CompileContext) {
    this.#namespace = namespace
    this.#context = context
  }

  get sets(): UsedSets {
    return { selectors: [...this.#selectors.values()], namedPorts: [...this.#namedPorts.values()], nodes: [...this.#nodes.values()], domains: [...this.#domains], networks: [...this.#networks.values()] }
  }

  /** @param verdict Of what matches a peer and a port of the rule. */
  compile(direction: Direction, each: PolicyRule, verdict: Verdict): readonly Rule[] {
    return [...this.#rules(direction, each, verdict), ...(direction === 'egress' ? this.#dnsRules(each, verdict) : [])]
  }

  #rules(direction: Direction, { peers, ports }: PolicyRule, verdict: Verdict): readonly Rule[] {
    const ranges = portRanges(ports)
    const numeric = ranges.length === 0 ? [] : [oneOf(concat(meta.l4proto, th.dport), ranges)]
    const named = ports.filter((port): port is PolicyPort & { readonly port: string } => typeof port.port === 'string')
    // Without addresses to compare one rule serves both families.
    if (peers.length === 0 && named.length === 0) return [rule(...numeric, ...verdict)]
    return families.flatMap((family) => {
      const matches = peers.length === 0 ? [[]] : this.#peerMatches(direction, family, peers)
      return matches.flatMap((match) => [
        ...(ports.length === 0 || ranges.length > 0 ? [rule(...match, ...numeric, ...verdict)] : []),
        ...named.map((port) => rule(...match, isIn(socketOf(family), portSetName(family, this.#namedPort(port).id)), ...verdict)),
      ])
    })
  }

  /** A match for each selector, for each name, and one for all networks together; each once, whatever the peers repeat. */
  #peerMatches(direction: Direction, family: Family, peers: readonly PolicyPeer[]): readonly Matches[] {
    const names = new Set(peers.flatMap((peer) => (peer.kind === 'ipBlock' ? [] : [this.#setOf(family, peer)])))
    return [...[...names].map((name) => [isIn(peerAddress(direction, family), name)]), ...this.#networkMatch(direction, family, peers)]
  }

  #setOf(family: Family, peer: Exclude<PolicyPeer, { readonly kind: 'ipBlock' }>): string {
    switch (peer.kind) {
      case 'pods': {
        const selector = peerSelector(this.#namespace, peer)
        this.#selectors.set(selector.id, selector)
        return selectorSetName(family, selector.id)
      }
      case 'nodes': {
        const text = formatLabelSelector(peer.nodes)
        const selector: NodeSelector = { id: textHash(text), text, labels: peer.nodes }
        this.#nodes.set(selector.id, selector)
        return nodeSetName(family, selector.id)
      }
      case 'domain':
        this.#domains.add(peer.name)
        return domainSetName(family, peer.name)
      default: return peer satisfies never
    }
  }

  #networkMatch(direction: Direction, family: Family, peers: readonly PolicyPeer[]): readonly Matches[] {
    const blocks = blocksOf(peers).filter(({ cidr }) => cidr.family === family)
    const elements = addressRanges(family, blocks).map((value) => ({ key: [value] }))
    if (elements.length === 0) return []
    const name = networkSetName(family, textHash(blocks.map(formatBlock).sort().join(' ')))
    this.#networks.set(name, { ...networkSet(name, family), comment: commentOf(blocks.map(formatBlock).join(' ')), elements })
    return [[isIn(peerAddress(direction, family), name)]]
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

const peerAddress = (direction: Direction, family: Family): (typeof header)[Family]['saddr'] => (direction === 'ingress' ? header[family].saddr : header[family].daddr)

const socketOf = (family: Family): ReturnType<typeof concat> => concat(header[family].daddr, meta.l4proto, th.dport)

function blocksOf(peers: readonly PolicyPeer[]): readonly Block[] {
  return peers.flatMap((peer) => (peer.kind === 'ipBlock' ? [peer] : []))
}

function formatBlock({ cidr, except }: Block): string {
  return except.length === 0 ? formatCidr(cidr) : `${formatCidr(cidr)}!${except.map(formatCidr).sort().join('!')}`
}
