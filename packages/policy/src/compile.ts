import { type NetworkPolicy, objectKey, type PolicyPeer, type PolicyPort, type PolicyRule, type Protocol, selectorMatches } from '@weft/api'
import { formatCidr } from '@weft/ip'
import { accept, type Chain, chain, concat, isIn, meta, oneOf, type Rule, rule, type SetDeclaration, type Statement, th } from '@weft/nftables'
import { addressRanges, type Block, inBlocks } from './address-ranges.ts'
import type { DnsPeer, DnsPort } from './model.ts'
import { commentOf, type Direction, dnsSetName, families, type Family, networkSetName, policyChainName, portSetName, selectorSetName, textHash } from './names.ts'
import { peerSelector, type PeerSelector } from './peer-selector.ts'
import { coversPort, portRanges } from './port-ranges.ts'
import { header, networkSet } from './table.ts'

/**
 * A named port: `address . protocol . port` of all pods that have a container port of that name. It means each destination's
 * own port, so one set serves every policy; which destinations is said by what stands beside it.
 */
export interface NamedPort {
  readonly id: string
  readonly name: string
  readonly protocol: Protocol
}

/** What one policy becomes: chains, and the sets their rules look things up in. */
export interface CompiledPolicy {
  readonly key: string
  readonly source: NetworkPolicy
  readonly chains: Readonly<Partial<Record<Direction, Chain>>>
  readonly selectors: readonly PeerSelector[]
  readonly namedPorts: readonly NamedPort[]
  /** Networks of ipBlocks, whole: their content is their name. */
  readonly networks: readonly SetDeclaration[]
}

export interface CompileContext {
  readonly dns: DnsPeer | undefined
  /** Labels of the DNS Service's namespace. */
  readonly dnsNamespaceLabels: Readonly<Record<string, string>> | undefined
}

/** Translates a policy. Pure, and in the size of the policy: which pods its selectors stand for is decided elsewhere. */
export function compilePolicy(source: NetworkPolicy, context: CompileContext): CompiledPolicy {
  const key = objectKey(source)
  const selectors = new Map<string, PeerSelector>()
  const namedPorts = new Map<string, NamedPort>()
  const networks = new Map<string, SetDeclaration>()

  function compileRules(direction: Direction, rules: readonly PolicyRule[]): Chain {
    return chain(policyChainName(direction, key), rules.flatMap((each) => [...compileRule(direction, each), ...(direction === 'egress' ? dnsRules(each) : [])]), { comment: commentOf(key) })
  }

  function compileRule(direction: Direction, { peers, ports }: PolicyRule): readonly Rule[] {
    const ranges = portRanges(ports)
    const numeric = ranges.length === 0 ? [] : [oneOf(concat(meta.l4proto, th.dport), ranges)]
    const named = ports.filter((port): port is PolicyPort & { readonly port: string } => typeof port.port === 'string')
    // Without addresses to compare one rule serves both families.
    if (peers.length === 0 && named.length === 0) return [rule(...numeric, accept)]
    return families.flatMap((family) => {
      const matches = peers.length === 0 ? [[]] : [...selectorMatchesOf(direction, family, peers), ...networkMatch(direction, family, peers)]
      return matches.flatMap((match) => [
        ...(ports.length === 0 || ranges.length > 0 ? [rule(...match, ...numeric, accept)] : []),
        ...named.map((port) => rule(...match, isIn(socketOf(family), portSetName(family, namedPort(port).id)), accept)),
      ])
    })
  }

  /** A match for each selector. */
  function selectorMatchesOf(direction: Direction, family: Family, peers: readonly PolicyPeer[]): readonly (readonly Statement[])[] {
    return selectorsOf(peers).map((selector) => {
      selectors.set(selector.id, selector)
      return [isIn(peerAddress(direction, family), selectorSetName(family, selector.id))]
    })
  }

  /** One match for all networks together. */
  function networkMatch(direction: Direction, family: Family, peers: readonly PolicyPeer[]): readonly (readonly Statement[])[] {
    const blocks = blocksOf(peers).filter(({ cidr }) => cidr.family === family)
    const elements = addressRanges(family, blocks).map((value) => ({ key: [value] }))
    if (elements.length === 0) return []
    const name = networkSetName(family, textHash(blocks.map(formatBlock).sort().join(' ')))
    networks.set(name, { ...networkSet(name, family), comment: commentOf(blocks.map(formatBlock).join(' ')), elements })
    return [[isIn(peerAddress(direction, family), name)]]
  }

  function namedPort({ port, protocol }: PolicyPort & { readonly port: string }): NamedPort {
    const named: NamedPort = { id: textHash(`${port} ${protocol}`), name: port, protocol }
    namedPorts.set(named.id, named)
    return named
  }

  /** Each once, whatever the peers repeat. */
  function selectorsOf(peers: readonly PolicyPeer[]): readonly PeerSelector[] {
    const found = peers.flatMap((peer) => (peer.kind === 'pods' ? [peerSelector(source.namespace, peer)] : []))
    return [...new Map(found.map((selector) => [selector.id, selector])).values()]
  }

  /**
   * DNS servers are on host networks, where no selector sees them, and on a port that is not the Service's: a rule that
   * means the Service by its pods' labels or by its address means its servers (DESIGN.md, promise 9).
   */
  function dnsRules({ peers, ports }: PolicyRule): readonly Rule[] {
    const meant = (context.dns?.ports ?? []).filter((port) => ports.length === 0 || ports.some((each) => coversPort(each, port)))
    if (meant.length === 0) return []
    const allows = (family: Family, match: readonly Statement[]): readonly Rule[] => meant.map(({ protocol, port }) => rule(...match, isIn(socketOf(family), dnsSetName(family, protocol, port)), accept))
    if (peers.length === 0) return ports.length === 0 ? [] : families.flatMap((family) => allows(family, []))
    if (meansDns(peers)) return families.flatMap((family) => allows(family, []))
    // Servers inside of the networks; without ports the rule above has them already.
    return ports.length === 0 ? [] : families.flatMap((family) => networkMatch('egress', family, peers).flatMap((match) => allows(family, match)))
  }

  function meansDns(peers: readonly PolicyPeer[]): boolean {
    const { dns, dnsNamespaceLabels } = context
    if (dns === undefined) return false
    if (dns.vips.some((ip) => inBlocks(ip, blocksOf(peers)))) return true
    return peers.some((peer) => peer.kind === 'pods'
      && (peer.namespaces === undefined ? source.namespace === dns.namespace : dnsNamespaceLabels !== undefined && selectorMatches(peer.namespaces, dnsNamespaceLabels))
      && selectorMatches(peer.pods ?? [], dns.labels))
  }

  return {
    key,
    source,
    chains: {
      ...(source.ingress === undefined ? {} : { ingress: compileRules('ingress', source.ingress) }),
      ...(source.egress === undefined ? {} : { egress: compileRules('egress', source.egress) }),
    },
    selectors: [...selectors.values()],
    namedPorts: [...namedPorts.values()],
    networks: [...networks.values()],
  }
}

/** Whether what {@link compilePolicy} makes of policies is the same with another DNS: servers come and go in sets. */
export function isSameContext(a: CompileContext, b: CompileContext): boolean {
  const text = ({ dns, dnsNamespaceLabels }: CompileContext): string => JSON.stringify([
    dns?.namespace, dns?.labels, dns?.ports.map(({ protocol, port, name }: DnsPort) => [protocol, port, name]), dns?.vips.map(({ family, bits }) => [family, `${bits}`]), dnsNamespaceLabels,
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
