import { type NetworkPolicy, objectKey, type PolicyPeer, type PolicyPort, type PolicyRule, type Protocol, protocolNumbers, selectorMatches } from '@weft/api'
import { aggregateCidrs, type Cidr, excludeCidrs, formatCidr } from '@weft/ip'
import { accept, type Chain, chain, concat, isIn, meta, oneOf, range, type Rule, rule, type SetDeclaration, type Statement, th } from '@weft/nftables'
import type { DnsPeer } from './model.ts'
import { type Direction, type Family, networkSetName, policyChainName, portSetName, selectorSetName } from './names.ts'
import { everyPod, peerSelector, type PeerSelector, shortHash } from './peer-selector.ts'
import { families, header, networkSet, sets } from './table.ts'

/** A named port of some pods: `address . protocol . port` of all that have a container port of that name. */
export interface NamedPort {
  readonly id: string
  readonly name: string
  readonly protocol: Protocol
  readonly pods: readonly PeerSelector[]
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
  const targets = peerSelector(source.namespace, { namespaces: undefined, pods: source.pods })

  const compileRules = (direction: Direction, rules: readonly PolicyRule[]): Chain =>
    chain(policyChainName(direction, key), rules.flatMap((each) => [...compileRule(direction, each), ...(direction === 'egress' ? dnsRules(each) : [])]))

  function compileRule(direction: Direction, { peers, ports }: PolicyRule): readonly Rule[] {
    const numeric = matchPorts(ports)
    const named = ports.filter((port): port is PolicyPort & { readonly port: string } => typeof port.port === 'string')
    const hasPortMatch = ports.length === 0 || numeric.length > 0
    // Without addresses to compare one rule serves both families.
    if (peers.length === 0 && named.length === 0) return [rule(...numeric, accept)]
    return families.flatMap((family) => {
      const peerMatches = peers.length === 0 ? [[]] : matchPeers(direction, family, peers)
      return peerMatches.flatMap((match) => [
        ...(hasPortMatch ? [rule(...match, ...numeric, accept)] : []),
        ...named.map((port) => rule(...match, isIn(concat(header[family].daddr, meta.l4proto, th.dport), portSetName(family, namedPort(direction, peers, port).id)), accept)),
      ])
    })
  }

  /** One match for each selector, and one for all networks together. */
  function matchPeers(direction: Direction, family: Family, peers: readonly PolicyPeer[]): readonly (readonly Statement[])[] {
    const address = direction === 'ingress' ? header[family].saddr : header[family].daddr
    const matches: (readonly Statement[])[] = []
    for (const selector of selectorsOf(peers)) {
      selectors.set(selector.id, selector)
      matches.push([isIn(address, selectorSetName(family, selector.id))])
    }
    const ranges = networksOf(peers).filter((network) => network.family === family)
    if (ranges.length > 0) {
      const name = networkSetName(family, shortHash(ranges.map(formatCidr).join(' ')))
      networks.set(name, { ...networkSet(name, family), elements: ranges.map((network) => ({ key: [network] })) })
      matches.push([isIn(address, name)])
    }
    return matches
  }

  /** Ingress: of the pods the policy protects. Egress: of the peers; networks have no port names. */
  function namedPort(direction: Direction, peers: readonly PolicyPeer[], { port, protocol }: PolicyPort & { readonly port: string }): NamedPort {
    const pods = direction === 'ingress' ? [targets] : peers.length === 0 ? [everyPod] : selectorsOf(peers)
    const id = shortHash(`${port} ${protocol} ${pods.map((selector) => selector.id).sort().join(' ')}`)
    const named: NamedPort = { id, name: port, protocol, pods }
    namedPorts.set(id, named)
    return named
  }

  function selectorsOf(peers: readonly PolicyPeer[]): readonly PeerSelector[] {
    return peers.flatMap((peer) => (peer.kind === 'pods' ? [peerSelector(source.namespace, peer)] : []))
  }

  /** DNS servers are on host networks, where no selector sees them: a rule that selects their labels means their addresses. */
  function dnsRules({ peers, ports }: PolicyRule): readonly Rule[] {
    const { dns, dnsNamespaceLabels } = context
    if (dns === undefined || dnsNamespaceLabels === undefined) return []
    const meant = peers.length === 0 || peers.some((peer) => peer.kind === 'pods'
      && (peer.namespaces === undefined ? source.namespace === dns.namespace : selectorMatches(peer.namespaces, dnsNamespaceLabels))
      && selectorMatches(peer.pods ?? [], dns.labels))
    if (!meant) return []
    const transports = (['TCP', 'UDP'] as const).filter((protocol) => dns.endpoints.some((endpoint) => endpoint.protocol === protocol && (ports.length === 0 || ports.some((port) => covers(port, endpoint)))))
    if (transports.length === 0) return []
    return families.map((family) =>
      rule(oneOf(meta.l4proto, transports.map((protocol) => protocolNumbers[protocol])), isIn(concat(header[family].daddr, meta.l4proto, th.dport), sets[family].dns), accept))
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

/** All ports given by number, in one match; nothing when there are none. */
function matchPorts(ports: readonly PolicyPort[]): readonly Statement[] {
  const elements = ports.filter(({ port }) => typeof port !== 'string').map(({ protocol, port, endPort }) =>
    [protocolNumbers[protocol], port === undefined ? range(0, 65_535) : endPort === undefined ? (port as number) : range(port as number, endPort)] as const)
  return elements.length === 0 ? [] : [oneOf(concat(meta.l4proto, th.dport), elements)]
}

/** The addresses of all ipBlocks of a rule, each less its exceptions. */
function networksOf(peers: readonly PolicyPeer[]): readonly Cidr[] {
  return aggregateCidrs(peers.flatMap((peer) => (peer.kind === 'ipBlock' ? excludeCidrs(peer.cidr, peer.except) : [])))
}

function covers({ protocol, port, endPort }: PolicyPort, dns: DnsPeer['endpoints'][number]): boolean {
  if (protocol !== dns.protocol) return false
  if (port === undefined) return true
  if (typeof port === 'string') return port === dns.servicePortName
  return dns.servicePort >= port && dns.servicePort <= (endPort ?? port)
}
