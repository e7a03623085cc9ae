import { type ClusterNetworkPolicy, type ClusterPolicyKind, type Namespace, type NetworkPolicy, type Node, parseFqdn, type Pod, protocols, toClusterNetworkPolicy, toNamespace, toNetworkPolicy, toNode, toPod } from '@weft/api'
import { parseIp } from '@weft/ip'
import type { Packet, PolicyCluster } from '../src/evaluator/index.ts'
import { namespace, networkPolicy, pod } from './cluster.ts'

/**
 * The world of the upstream conformance suites: namespaces x, y and z with the label `ns`, in each the pods a, b and c with the
 * label `pod`, and every pod serves 80 and 81 over each protocol under names such as `serve-80-tcp`. All are on node n1, x/h is
 * on its host network.
 */
const namespaceNames = ['x', 'y', 'z'] as const
const podNames = ['a', 'b', 'c'] as const

const servedPorts = [80, 81].flatMap((port) => protocols.map((protocol) => ({ name: `serve-${port}-${protocol.toLowerCase()}`, containerPort: port, protocol })))
const nodeAddresses = ['172.30.1.11', 'fd00:172:30:1::11'] as const

/** Addresses of a place: a pod `x/a`, the node `n1`, or `outside`. */
function addressesOf(place: string): readonly [v4: string, v6: string] {
  if (place === 'n1' || place === 'x/h') return nodeAddresses
  if (place === 'outside') return ['203.0.113.9', '2001:db8:113::9']
  const [ns, name] = place.split('/') as [string, string]
  const [third, last] = [namespaceNames.indexOf(ns as 'x') + 1, podNames.indexOf(name as 'a') + 1]
  if (third === 0 || last === 0) throw new SyntaxError(`Cannot probe "${place}": it is no place of this world`)
  return [`10.0.${third}.${last}`, `fd00:10::${third}:${last}`]
}

export interface WorldEdits {
  readonly podLabels?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly namespaceLabels?: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly nodeLabels?: Readonly<Record<string, string>>
  readonly dns?: PolicyCluster['dns']
  readonly names?: Readonly<Record<string, readonly string[]>>
}

/** @param objects NetworkPolicies and policies of the cluster, as the API has them. */
export function worldOf(objects: readonly object[], { podLabels = {}, namespaceLabels = {}, nodeLabels = {}, dns, names = {} }: WorldEdits = {}): PolicyCluster {
  const kindOf = (object: object): string => (object as { readonly kind: string }).kind
  const namespaces: Namespace[] = namespaceNames.map((ns) => toNamespace(namespace(ns, { ns, ...namespaceLabels[ns] })))
  const pods: Pod[] = namespaceNames.flatMap((ns) => podNames.map((name) => toPod(pod(`${ns}/${name}`, { ips: addressesOf(`${ns}/${name}`), labels: { pod: name, ...podLabels[`${ns}/${name}`] }, node: 'n1', ports: servedPorts }))))
  const host = toPod(pod('x/h', { ips: nodeAddresses, labels: { pod: 'a' }, node: 'n1', hostNetwork: true }))
  const node: Node = toNode({ kind: 'Node', metadata: { name: 'n1', labels: nodeLabels }, status: { addresses: nodeAddresses.map((address) => ({ type: 'InternalIP', address })) } })
  const policies: NetworkPolicy[] = objects.filter((object) => kindOf(object) === 'NetworkPolicy').map(toNetworkPolicy)
  const clusterPolicies: ClusterNetworkPolicy[] = objects.filter((object) => kindOf(object) !== 'NetworkPolicy').map((object) => toClusterNetworkPolicy(object, kindOf(object) as ClusterPolicyKind))
  return { pods: [...pods, host], namespaces, nodes: [node], policies, clusterPolicies, dns, names: new Map(Object.entries(names).map(([name, ips]) => [parseFqdn(name), ips.map((ip) => parseIp(ip))])) }
}

let count = 0

/** A NetworkPolicy of a namespace; its name does not matter. */
export function policyIn(ns: string, spec: object): object {
  count += 1
  return networkPolicy(`${ns}/p${count}`, spec)
}

/** A ClusterNetworkPolicy; its subject is namespace x unless it says otherwise. */
export function clusterPolicy(spec: object, { kind = 'ClusterNetworkPolicy', name }: { readonly kind?: ClusterPolicyKind, readonly name?: string } = {}): object {
  count += 1
  return { kind, metadata: { name: name ?? `c${count}` }, spec: { tier: 'Admin', priority: 50, subject: { namespaces: { matchLabels: { ns: 'x' } } }, ...spec } }
}

/**
 * Packets of a line such as `x/b>x/a:80 x/b>x/a:80/UDP y/a>x/a:icmp`, each in both families. `any` for a pod or a namespace
 * means each of them but the other side.
 */
export function packetsOf(line: string): readonly { readonly probe: string, readonly packet: Packet }[] {
  return line.split(/\s+/).filter((probe) => probe !== '').flatMap((probe) => {
    const [, fromText, toText, port, protocol = 'TCP'] = /^(.+)>(.+):(\w+)(?:\/(\w+))?$/.exec(probe) ?? []
    if (fromText === undefined || toText === undefined) throw new SyntaxError(`Cannot read probe "${probe}": wanted from>to:port/protocol`)
    return placesOf(fromText).flatMap((from) => placesOf(toText).filter((to) => to !== from).flatMap((to) => [0, 1].map((family) => {
      const ends = { from: parseIp(addressesOf(from)[family]!), to: parseIp(addressesOf(to)[family]!) }
      const packet: Packet = port === 'icmp' ? { ...ends, protocol: 'ICMP' } : { ...ends, protocol: protocol as 'TCP', port: Number(port) }
      return { probe: `${from}>${to}:${port} ${protocol} ${family === 0 ? 'IPv4' : 'IPv6'}`, packet }
    })))
  })
}

function placesOf(text: string): readonly string[] {
  const [ns, name] = text.split('/')
  if (name === undefined) return [text]
  return namespaceNames.filter((each) => ns === 'any' || ns === each).flatMap((each) => (name === 'any' ? [...podNames] : [name]).map((own) => `${each}/${own}`))
}
