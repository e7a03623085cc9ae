import { type DomainPattern, type LabelSelector, type Node, type PolicyPeer, selectorMatches } from '@weft/api'
import { cidrContains, equalIp, formatIp } from '@weft/ip'
import type { NamedAddresses } from './policy-cluster.ts'
import type { Peer, PodFacts } from './reading.ts'

/** What peers of rules are looked up in. */
export interface PeerContext {
  /** Labels by which selectors see a namespace; undefined when it does not exist. */
  readonly labelsOf: (namespace: string) => Readonly<Record<string, string>> | undefined
  readonly nodes: readonly Node[]
  readonly names: NamedAddresses
}

interface PeerTestOptions {
  /** The policy's; empty for policies of the whole cluster. */
  readonly namespace: string
  /** Who may be one of several pods: a rule that opens wants all of them to be meant, one that closes any. */
  readonly opens: boolean
  readonly context: PeerContext
}

/** Whether somebody is who a peer of a rule means. */
export function peerTest(wanted: PolicyPeer, { namespace, opens, context }: PeerTestOptions): (peer: Peer) => boolean {
  switch (wanted.kind) {
    case 'ipBlock': return ({ ips }) => ips.some((ip) => cidrContains(wanted.cidr, ip) && !wanted.except.some((inner) => cidrContains(inner, ip)))
    case 'pods': {
      const isMeant = (pod: PodFacts): boolean => isInside(pod.namespace) && (wanted.pods === undefined || selectorMatches(wanted.pods, pod.labels))
      const isInside = (own: string): boolean => (wanted.namespaces === undefined ? own === namespace : selects(wanted.namespaces, context.labelsOf(own)))
      return ({ pods }) => pods.length > 0 && (opens ? pods.every(isMeant) : pods.some(isMeant))
    }
    case 'nodes': {
      const addresses = context.nodes.filter(({ labels }) => selectorMatches(wanted.nodes, labels)).flatMap((node) => node.addresses)
      return ({ ips, isDns }) => !isDns && ips.some((ip) => addresses.some((each) => equalIp(each, ip)))
    }
    case 'domain': {
      const addresses = new Set(context.names.entries().filter(([name]) => isNameOf(wanted.name, name)).flatMap(([, ips]) => ips.map(formatIp)))
      return ({ ips }) => addresses.size > 0 && ips.some((ip) => addresses.has(formatIp(ip)))
    }
    default: return wanted satisfies never
  }
}

/** `*.` at the start of a pattern stands for one label or more. */
function isNameOf(pattern: DomainPattern, name: DomainPattern): boolean {
  return pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern
}

function selects(selector: LabelSelector, labels: Readonly<Record<string, string>> | undefined): boolean {
  return labels !== undefined && selectorMatches(selector, labels)
}

