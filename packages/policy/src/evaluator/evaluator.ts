import { compareClusterPolicies, type Node, type Pod } from '@weft/api'
import { cidrContains, equalIp, type IpAddress } from '@weft/ip'
import type { DnsPeer } from '../model.ts'
import type { Direction } from '../names.ts'
import { evaluatedClusterPolicy, evaluatedNetworkPolicy, type EvaluatedPolicy } from './evaluated-policy.ts'
import type { Packet } from './packet.ts'
import type { PeerContext } from './peer-test.ts'
import { PodIndex } from './pod-index.ts'
import type { PolicyCluster } from './policy-cluster.ts'
import type { Reading } from './reading.ts'
import type { ConsideredRule, Judgement, PolicyRef, Reason, RuleAction, Verdict } from './verdict.ts'

/** Policies that have a say about one pod in one direction, in the order they are asked. */
interface Applied {
  readonly admin: readonly EvaluatedPolicy[]
  readonly network: readonly EvaluatedPolicy[]
  readonly baseline: readonly EvaluatedPolicy[]
  /** Of all tiers, those that only watch. */
  readonly audited: readonly EvaluatedPolicy[]
}

/**
 * What policies mean, as a function: no kernel, no nftables, nothing shared with the way tables are made. It judges the first
 * packet of a connection; answers and ICMP errors about what was let through always pass.
 *
 * A cluster is prepared once, so that thousands of packets can be asked about it; what changes is a new cluster.
 *
 * @example
 * ```ts
 * const judge = createEvaluator({ pods, namespaces, policies })
 * judge({ from: parseIp('10.244.1.2'), to: parseIp('10.244.2.3'), protocol: 'TCP', port: 80 }).allowed
 * ```
 */
export function createEvaluator(cluster: PolicyCluster): (packet: Packet) => Verdict {
  const pods = new PodIndex(cluster.pods)
  const nodes = new Map([...cluster.nodes ?? []].map((node) => [node.name, node]))
  const closing = cluster.closesRangesOf === undefined ? undefined : nodes.get(cluster.closesRangesOf)
  const namespaces = new Map([...cluster.namespaces].map(({ name, labels }) => [name, { ...labels, 'kubernetes.io/metadata.name': name }]))
  const context: PeerContext = { labelsOf: (namespace) => namespaces.get(namespace), nodes: [...nodes.values()], names: cluster.names ?? new Map() }
  const network = Map.groupBy([...cluster.policies ?? []].map((policy) => evaluatedNetworkPolicy(policy, context)), ({ ref }) => ref.namespace)
  const ordered = [...cluster.clusterPolicies ?? []].sort(compareClusterPolicies)
  const [admin, baseline] = (['Admin', 'Baseline'] as const).map((tier) => ordered.filter((policy) => policy.tier === tier).map((policy) => evaluatedClusterPolicy(policy, context))) as [EvaluatedPolicy[], EvaluatedPolicy[]]
  const applied: Readonly<Record<Direction, WeakMap<Pod, Applied>>> = { ingress: new WeakMap(), egress: new WeakMap() }

  function appliedTo(pod: Pod, direction: Direction): Applied {
    return applied[direction].getOrInsertComputed(pod, () => {
      const select = (policies: readonly EvaluatedPolicy[]): EvaluatedPolicy[] => policies.filter((policy) => policy.rules[direction] !== undefined && policy.selects(pod))
      const tiers = { admin: select(admin), network: select(network.get(pod.namespace) ?? []), baseline: select(baseline) }
      const enforced = (policies: readonly EvaluatedPolicy[]): EvaluatedPolicy[] => policies.filter(({ audit }) => !audit)
      return { admin: enforced(tiers.admin), network: enforced(tiers.network), baseline: enforced(tiers.baseline), audited: Object.values(tiers).flat().filter(({ audit }) => audit) }
    })
  }

  /** One pod's side: the Admin tier, then NetworkPolicies, and where none selects the pod the Baseline tier. */
  function judgeSubject(direction: Direction, subject: Pod, readings: readonly Reading[]): Judgement {
    const tiers = appliedTo(subject, direction)
    const considered: ConsideredRule[] = []
    const end = (allowed: boolean, reason: Reason): Judgement => ({
      direction, allowed, reason, subject, considered, wouldDeny: allowed ? wouldDeny(tiers, direction, readings) : [], rule: reason === 'rule' ? considered.at(-1) : undefined,
      selectedBy: [...tiers.admin, ...tiers.network, ...tiers.baseline].map(({ ref }) => ref),
    })
    /** The first rule that matches decides. */
    const firstMatch = (policies: readonly EvaluatedPolicy[]): ConsideredRule | undefined => {
      for (const policy of policies) {
        for (const { ask, ...rule } of policy.rules[direction]!) {
          const asked: ConsideredRule = { policy: policy.ref, direction, ...rule, outcome: ask(readings) }
          considered.push(asked)
          if (asked.outcome === 'matched') return asked
        }
      }
      return undefined
    }
    for (const tier of [tiers.admin, tiers.network, tiers.baseline]) {
      const action = firstMatch(tier)?.action
      if (action === 'Accept' || action === 'Deny') return end(action === 'Accept', 'rule')
      // Whom a NetworkPolicy selects may do what NetworkPolicies allow, and nothing else.
      if (tier === tiers.network && tier.length > 0) return end(false, 'isolated')
    }
    return end(true, 'default')
  }

  function judgeSide(direction: Direction, packet: Packet): Judgement {
    const [own, other] = direction === 'ingress' ? [packet.to, packet.from] : [packet.from, packet.to]
    const subjects = pods.at(own)
    const unasked = (allowed: boolean, reason: Reason, subject?: Pod): Judgement => ({ direction, allowed, reason, subject, rule: undefined, selectedBy: [], wouldDeny: [], considered: [] })
    if (closing !== undefined && isUnknown(own, subjects, closing)) return direction === 'ingress' && isOf(closing, other) ? unasked(true, 'own node') : unasked(false, 'unknown pod')
    if (subjects.length === 0) return unasked(true, 'no pod')
    const peers = pods.at(other)
    if (peers.length === 1 && subjects.length === 1 && peers[0] === subjects[0]) return unasked(true, 'same pod', subjects[0])
    if (direction === 'ingress' && subjects.every(({ nodeName }) => nodeName !== undefined && isOf(nodes.get(nodeName), other))) return unasked(true, 'own node', subjects[0])
    const server = direction === 'ingress' ? subjects : peers
    const asDns = direction === 'egress' ? dnsReadings(cluster.dns, packet) : []
    const readings = [
      { peer: { ips: [other], pods: peers, isDns: asDns.length > 0 }, served: { protocol: packet.protocol, port: packet.port, names: namesOf(server, packet) } },
      ...asDns,
    ]
    // Whose address it is while two claim it, nobody knows: both must allow.
    const judged = subjects.map((subject) => judgeSubject(direction, subject, readings))
    return judged.find(({ allowed }) => !allowed) ?? judged[0]!
  }

  return (packet) => {
    const [egress, ingress] = [judgeSide('egress', packet), judgeSide('ingress', packet)]
    return { allowed: egress.allowed && ingress.allowed, egress, ingress }
  }
}

function isOf(node: Node | undefined, ip: IpAddress): boolean {
  return node?.addresses.some((each) => equalIp(each, ip)) === true
}

/** Whether an address is a node's to give, and no pod there has it. */
function isUnknown(ip: IpAddress, pods: readonly Pod[], { name, podCidrs }: Node): boolean {
  return podCidrs.some((range) => cidrContains(range, ip)) && !pods.some(({ nodeName }) => nodeName === name)
}

/** What NetworkPolicies in audit mode say together counts where none isolates the pod; others speak each for itself. */
function wouldDeny({ network, audited }: Applied, direction: Direction, readings: readonly Reading[]): readonly PolicyRef[] {
  const firstOf = (policy: EvaluatedPolicy): RuleAction | undefined => policy.rules[direction]!.find(({ ask }) => ask(readings) === 'matched')?.action
  const isolating = audited.filter(({ ref }) => ref.kind === 'NetworkPolicy')
  const refuse = network.length === 0 && isolating.every((policy) => firstOf(policy) === undefined) ? isolating : []
  return [...audited.filter((policy) => policy.ref.kind !== 'NetworkPolicy' && firstOf(policy) === 'Deny'), ...refuse].map(({ ref }) => ref)
}

/** What all pods that may be meant call a port. */
function namesOf(pods: readonly Pod[], { protocol, port }: Packet): readonly string[] {
  const [first, ...rest] = pods.map(({ ports }) => ports.flatMap((each) => (each.name !== '' && each.protocol === protocol && each.port === port ? [each.name] : [])))
  return first?.filter((name) => rest.every((names) => names.includes(name))) ?? []
}

/** A server of the cluster DNS is on a host network and on a port of its own: what reaches it was meant for the Service. */
function dnsReadings(dns: DnsPeer | undefined, { to, protocol, port }: Packet): readonly Reading[] {
  if (dns === undefined) return []
  const isServer = ({ endpoints }: DnsPeer['ports'][number]): boolean => endpoints.some((endpoint) => endpoint.port === port && equalIp(endpoint.ip, to))
  return dns.ports.filter((each) => each.protocol === protocol && isServer(each))
    .map((each) => ({ peer: { ips: [to, ...dns.vips], pods: [dns], isDns: true }, served: { protocol, port: each.port, names: [each.name] } }))
}
