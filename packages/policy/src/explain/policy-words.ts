import { formatLabelSelector, type LabelSelector, type PolicyPeer, type PolicyPort } from '@weft/api'
import { formatCidr } from '@weft/ip'
import type { ConsideredRule, Judgement, PolicyRef } from '../evaluator/index.ts'

/** e.g. `NetworkPolicy shop/allow-web`. */
function formatPolicy({ kind, namespace, name }: PolicyRef): string {
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`
}

/** e.g. `ClusterNetworkPolicy tenants ingress[2] "no-guests"`. */
export function formatRuleRef({ policy, direction, index, name }: ConsideredRule): string {
  return `${formatPolicy(policy)} ${direction}[${index}]${name === '' ? '' : ` "${name}"`}`
}

/** e.g. `Accept from pods app=web of shop, or from 10.0.0.0/8 at TCP 80-90`. */
export function describeRule({ policy, direction, action, rule: { peers, ports } }: ConsideredRule): string {
  const word = direction === 'ingress' ? 'from' : 'to'
  const who = peers.length === 0 ? `${word} anybody` : peers.map((peer) => `${word} ${describePeer(peer, policy.namespace)}`).join(', or ')
  return `${action} ${who}${ports.length === 0 ? '' : ` at ${ports.map(formatPort).join(', ')}`}`
}

function describePeer(peer: PolicyPeer, policyNamespace: string): string {
  switch (peer.kind) {
    case 'ipBlock': return `${formatCidr(peer.cidr)}${peer.except.length === 0 ? '' : ` except ${peer.except.map(formatCidr).join(', ')}`}`
    case 'pods': return `${describeSelected('pods', peer.pods)} of ${peer.namespaces === undefined ? policyNamespace : describeSelected('namespaces', peer.namespaces)}`
    case 'nodes': return describeSelected('nodes', peer.nodes)
    case 'domain': return `what DNS gave for ${peer.name}`
    default: return peer satisfies never
  }
}

function describeSelected(what: string, selector: LabelSelector | undefined): string {
  return selector === undefined || selector.length === 0 ? `all ${what}` : `${what} ${formatLabelSelector(selector)}`
}

function formatPort({ protocol, port, endPort }: PolicyPort): string {
  if (port === undefined) return `every ${protocol} port`
  return typeof port === 'string' ? `the ${protocol} port called "${port}"` : `${protocol} ${port}${endPort === undefined || endPort === port ? '' : `-${endPort}`}`
}

/** Why a side is open or closed, in a sentence without a period. */
export function describeJudgement(judgement: Judgement): string {
  const { wouldDeny } = judgement
  return `${describeReason(judgement)}${wouldDeny.length === 0 ? '' : `; in audit mode, ${wouldDeny.map(formatPolicy).join(', ')} would deny it`}`
}

function describeReason({ allowed, reason, rule, selectedBy, direction, considered }: Judgement): string {
  const word = allowed ? 'open' : 'closed'
  switch (reason) {
    case 'rule': return `${word}, by ${formatRuleRef(rule!)}`
    case 'isolated': return `${word}: ${selectedBy.filter(({ kind }) => kind === 'NetworkPolicy').map(formatPolicy).join(', ')} select it, and no rule of theirs matches`
    case 'default':
      if (selectedBy.length === 0) return `${word}: no policy selects it`
      return `${word}: ${considered.some(({ outcome }) => outcome === 'matched') ? 'the rule that matches passes it on' : 'no rule matches'}, and no NetworkPolicy selects it`
    case 'no pod': return `${word}: the ${direction === 'egress' ? 'source' : 'destination'} is no pod that policies protect`
    case 'unknown pod': return `${word}: the ${direction === 'egress' ? 'source' : 'destination'} has an address of its node's podCIDRs, and no pod there that the API knows has it`
    case 'same pod': return `${word}: a pod always reaches itself`
    case 'own node': return `${word}: a pod's own node always reaches it`
    default: return reason satisfies never
  }
}
