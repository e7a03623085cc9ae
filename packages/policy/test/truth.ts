import { BlockList, isIPv6 } from 'node:net'

// What NetworkPolicy means, written down as plainly as can be, over untrimmed objects and with none of the package's code.

/* oxlint-disable typescript/no-explicit-any, typescript/no-unsafe-member-access, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-argument, typescript/no-unsafe-return -- objects are what the tests wrote */

export interface Probe {
  readonly from: string
  readonly to: string
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'icmp'
  /** Absent for ICMP. */
  readonly port?: number | undefined
}

/** Whether the first packet of a connection gets through on a node. */
export function isAllowed(objects: readonly any[], node: string, probe: Probe): boolean {
  if (probe.from === probe.to) return true
  const source = podAt(objects, probe.from)
  const destination = podAt(objects, probe.to)
  if (source?.spec.nodeName === node && !passes(objects, 'egress', source, destination, probe)) return false
  return destination?.spec.nodeName !== node || passes(objects, 'ingress', destination, source, probe)
}

function passes(objects: readonly any[], direction: 'ingress' | 'egress', pod: any, peer: any, probe: Probe): boolean {
  const policies = objects.filter((object) => object.kind === 'NetworkPolicy' && object.metadata.namespace === pod.metadata.namespace
    && typesOf(object).includes(direction) && matches(object.spec.podSelector, pod.metadata.labels ?? {}))
  if (policies.length === 0) return true
  const address = direction === 'ingress' ? probe.from : probe.to
  const servesPorts = direction === 'ingress' ? pod : peer
  return policies.some((policy) => (policy.spec[direction] ?? []).some((rule: any) => {
    const peers: any[] = rule[direction === 'ingress' ? 'from' : 'to'] ?? []
    const ports: any[] = rule.ports ?? []
    return (peers.length === 0 || peers.some((each) => isPeer(objects, policy, each, peer, address)))
      && (ports.length === 0 || ports.some((each) => isPort(each, servesPorts, probe)))
  }))
}

function typesOf({ spec }: any): readonly string[] {
  if (spec.policyTypes !== undefined) return spec.policyTypes.map((type: string) => type.toLowerCase())
  return (spec.egress ?? []).length === 0 ? ['ingress'] : ['ingress', 'egress']
}

function isPeer(objects: readonly any[], policy: any, peer: any, pod: any, address: string): boolean {
  if (peer.ipBlock !== undefined) return contains(peer.ipBlock.cidr, address) && !(peer.ipBlock.except ?? []).some((except: string) => contains(except, address))
  if (pod === undefined) return false
  const namespace = objects.find((object) => object.kind === 'Namespace' && object.metadata.name === pod.metadata.namespace)
  const inNamespace = peer.namespaceSelector === undefined
    ? pod.metadata.namespace === policy.metadata.namespace
    : matches(peer.namespaceSelector, { ...namespace.metadata.labels, 'kubernetes.io/metadata.name': namespace.metadata.name })
  return inNamespace && (peer.podSelector === undefined || matches(peer.podSelector, pod.metadata.labels ?? {}))
}

function isPort(port: any, pod: any, probe: Probe): boolean {
  if ((port.protocol ?? 'TCP').toLowerCase() !== probe.protocol) return false
  if (port.port === undefined) return true
  if (typeof port.port === 'number') return probe.port! >= port.port && probe.port! <= (port.endPort ?? port.port)
  return (pod?.spec.containers ?? []).some((container: any) => (container.ports ?? []).some((own: any) =>
    own.name === port.port && (own.protocol ?? 'TCP').toLowerCase() === probe.protocol && own.containerPort === probe.port))
}

function matches(selector: any, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
    && (selector.matchExpressions ?? []).every(({ key, operator, values }: any) => {
      if (operator === 'In') return key in labels && values.includes(labels[key])
      if (operator === 'NotIn') return !(key in labels) || !values.includes(labels[key])
      return operator === 'Exists' ? key in labels : !(key in labels)
    })
}

/** The pod behind an address: not one on the host network, nor one that ended. */
function podAt(objects: readonly any[], address: string): any {
  return objects.find((object) => object.kind === 'Pod' && object.spec.hostNetwork !== true && !['Succeeded', 'Failed'].includes(object.status.phase)
    && object.status.podIPs.some(({ ip }: any) => ip === address))
}

function contains(cidr: string, address: string): boolean {
  const [network, prefix] = cidr.split('/') as [string, string]
  const list = new BlockList()
  list.addSubnet(network, Number(prefix), isIPv6(network) ? 'ipv6' : 'ipv4')
  // BlockList takes an IPv4 address for a mapped IPv6 one.
  return isIPv6(network) === isIPv6(address) && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
