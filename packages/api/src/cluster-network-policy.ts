// Read first: NPEP-285 (one policy of two tiers), and the types of policy.networking.k8s.io/v1alpha2 and v1alpha1.
import { clusterNetworkPolicySpec } from './cluster-network-policy-schema.ts'
import { customResource, type CustomResource } from './custom-resource.ts'
import type { Field } from './field.ts'
import { type LabelSelector, readLabelSelector } from './label-selector.ts'
import type { PolicyPeer, PolicyPort, PolicyRule } from './network-policy.ts'
import type { ObjectMeta } from './object-meta.ts'
import type { ObjectResource } from './object-resource.ts'
import { type PolicyTelling, readPolicyTelling } from './policy-telling.ts'
import { Problems } from './problems.ts'
import { type Protocol, protocols } from './protocol.ts'

/** Judged before NetworkPolicies, or after them for pods that none selects. */
export type PolicyTier = 'Admin' | 'Baseline'
/** `Pass` leaves the tier and goes on with the next one. */
export type PolicyAction = 'Accept' | 'Deny' | 'Pass'

export type ClusterPolicyKind = 'ClusterNetworkPolicy' | 'AdminNetworkPolicy' | 'BaselineAdminNetworkPolicy'

export interface ClusterPolicyRule extends PolicyRule {
  /** Empty when it has none. */
  readonly name: string
  readonly action: PolicyAction
}

/** A policy of the whole cluster: a ClusterNetworkPolicy, or a legacy one that says the same. */
export interface ClusterNetworkPolicy extends ObjectMeta {
  readonly kind: ClusterPolicyKind
  readonly tier: PolicyTier
  /** From 0 to 1000, lower first. */
  readonly priority: number
  readonly subject: { readonly namespaces: LabelSelector, readonly pods: LabelSelector }
  /** The first rule that matches decides; without rules the direction is none of its business. */
  readonly ingress: readonly ClusterPolicyRule[]
  readonly egress: readonly ClusterPolicyRule[]
  readonly telling: PolicyTelling
  /** What could not be read, and was read as what allows less. */
  readonly problems: readonly string[]
}

/** `kind/name`: no namespace has capitals, so it is never the key of a NetworkPolicy. */
export function clusterPolicyKey({ kind, name }: Pick<ClusterNetworkPolicy, 'kind' | 'name'>): string {
  return `${kind}/${name}`
}

/** The order within a tier. The API leaves open who is first of equal priority; here it is always the same one. */
export function compareClusterPolicies(a: ClusterNetworkPolicy, b: ClusterNetworkPolicy): number {
  if (a.priority !== b.priority) return a.priority - b.priority
  return clusterPolicyKey(a) < clusterPolicyKey(b) ? -1 : 1
}

type ClusterPolicyResource = ObjectResource<ClusterNetworkPolicy> & { readonly kind: ClusterPolicyKind }

const apiGroup = 'policy.networking.k8s.io'

/** The CRD for clusters that have none, and what a reflector needs. */
export const clusterNetworkPolicyResource: CustomResource<ClusterNetworkPolicy> & ClusterPolicyResource = {
  ...customResource({
    api: { group: apiGroup, version: 'v1alpha2', approval: 'https://github.com/kubernetes-sigs/network-policy-api/pull/300', shortNames: ['cnp'] },
    kind: 'ClusterNetworkPolicy', plural: 'clusternetworkpolicies', scope: 'Cluster', spec: clusterNetworkPolicySpec, trim: toClusterNetworkPolicy,
    columns: [{ name: 'Tier', type: 'string', jsonPath: '.spec.tier' }, { name: 'Priority', type: 'integer', jsonPath: '.spec.priority' }],
  }),
  kind: 'ClusterNetworkPolicy',
  optional: true,
}

function legacy(kind: ClusterPolicyKind, name: string): ClusterPolicyResource {
  const apiVersion = `${apiGroup}/v1alpha1`
  return { kind, apiVersion, optional: true, name, path: `/apis/${apiVersion}/${name}`, trim: (object) => toClusterNetworkPolicy(object, kind) }
}

export const adminNetworkPolicyResource: ClusterPolicyResource = legacy('AdminNetworkPolicy', 'adminnetworkpolicies')
export const baselineAdminNetworkPolicyResource: ClusterPolicyResource = legacy('BaselineAdminNetworkPolicy', 'baselineadminnetworkpolicies')

/** A rule that cannot be read and would not have allowed anything, or may not have. */
const denyAll: Omit<ClusterPolicyRule, 'name'> = { action: 'Deny', peers: [], ports: [] }

/**
 * Keeps what the features use of a ClusterNetworkPolicy, AdminNetworkPolicy or BaselineAdminNetworkPolicy. What cannot be read
 * of a rule fails closed as the API has it: `Accept` matches nothing, `Deny` and `Pass` deny everything. If it cannot be told
 * where the policy stands or whom it is about, its denials are the first of all, for everybody, and it accepts nothing.
 *
 * @throws {InvalidObjectError} If it has no name by which to hold it.
 */
export function toClusterNetworkPolicy(object: unknown, kind: ClusterPolicyKind = 'ClusterNetworkPolicy'): ClusterNetworkPolicy {
  const problems = new Problems()
  const { root, meta } = problems.open(kind, object)
  const spec = (name: string): Field => root.get('spec').get(name)
  const standing = problems.attempt(() => readStanding(kind, spec))
  const subject = problems.attempt(() => readSubject(spec('subject')))
  const readRules = (direction: 'ingress' | 'egress'): readonly ClusterPolicyRule[] => {
    const list = problems.attempt(() => spec(direction).items())
    return list === undefined ? [{ name: direction, ...denyAll }] : list.flatMap((rule) => readRule(rule, { direction, problems, kind }))
  }
  const policy = { ...meta, kind, telling: readPolicyTelling(root.get('metadata'), problems), ingress: readRules('ingress'), egress: readRules('egress') }
  if (standing !== undefined && subject !== undefined) return { ...policy, ...standing, subject, problems: problems.messages }
  return {
    ...policy, tier: 'Admin', priority: 0, subject: subject ?? { namespaces: [], pods: [] }, problems: problems.messages,
    ingress: denialsOf(policy.ingress), egress: denialsOf(policy.egress),
  }
}

function readStanding(kind: ClusterPolicyKind, spec: (name: string) => Field): Pick<ClusterNetworkPolicy, 'tier' | 'priority'> {
  // The one baseline of old comes after all others of its tier.
  if (kind === 'BaselineAdminNetworkPolicy') return { tier: 'Baseline', priority: 1000 }
  return { tier: kind === 'AdminNetworkPolicy' ? 'Admin' : spec('tier').oneOf(['Admin', 'Baseline']), priority: spec('priority').integer(0, 1000) }
}

function denialsOf(rules: readonly ClusterPolicyRule[]): readonly ClusterPolicyRule[] {
  return rules.flatMap((rule) => (rule.action === 'Accept' ? [] : [{ ...rule, action: 'Deny' as const }]))
}

function readSubject(subject: Field): ClusterNetworkPolicy['subject'] {
  const found = readPodsOrNamespaces(subject)
  if (found === undefined) throw subject.fail('selects nothing, wanted namespaces or pods')
  return found
}

/** Exactly one of both, or undefined. */
function readPodsOrNamespaces(field: Field): { readonly namespaces: LabelSelector, readonly pods: LabelSelector } | undefined {
  const [namespaces, pods] = [field.get('namespaces'), field.get('pods')]
  if (namespaces.present && pods.present) throw field.fail('has namespaces and pods, wanted one of them')
  if (namespaces.present) return { namespaces: readLabelSelector(namespaces), pods: [] }
  if (!pods.present) return undefined
  return { namespaces: readLabelSelector(pods.get('namespaceSelector').required()), pods: readLabelSelector(pods.get('podSelector').required()) }
}

interface RuleContext {
  readonly direction: 'ingress' | 'egress'
  readonly kind: ClusterPolicyKind
  readonly problems: Problems
}

function readRule(field: Field, context: RuleContext): readonly ClusterPolicyRule[] {
  const { problems } = context
  const name = problems.attempt(() => field.get('name').stringOr('')) ?? ''
  const action = problems.attempt(() => readAction(field.get('action'), context.kind))
  const rule = problems.attempt(() => readMatches(field, action, context))
  if (action !== undefined && rule !== undefined) return [{ name, action, ...rule }]
  return action === 'Accept' ? [] : [{ name, ...denyAll }]
}

function readAction(field: Field, kind: ClusterPolicyKind): PolicyAction {
  if (kind === 'ClusterNetworkPolicy') return field.oneOf(['Accept', 'Deny', 'Pass'])
  const action = field.oneOf(kind === 'AdminNetworkPolicy' ? ['Allow', 'Deny', 'Pass'] as const : ['Allow', 'Deny'] as const)
  return action === 'Allow' ? 'Accept' : action
}

function readMatches(field: Field, action: PolicyAction | undefined, { direction, kind }: RuleContext): PolicyRule {
  const list = field.get(direction === 'ingress' ? 'from' : 'to')
  const peers = atLeastOne(list).flatMap((peer) => readPeer(peer, direction))
  if (action !== 'Accept' && peers.some((peer) => peer.kind === 'domain')) throw list.fail('has domainNames, which only an Accept rule may')
  const restriction = field.get(kind === 'ClusterNetworkPolicy' ? 'protocols' : 'ports')
  const ports = restriction.present ? atLeastOne(restriction).flatMap(kind === 'ClusterNetworkPolicy' ? readProtocol : readLegacyPort) : []
  if (ports.some(({ port }) => typeof port === 'string') && peers.some((peer) => peer.kind !== 'pods'))
    throw restriction.fail('has a named port, which nodes, networks and domainNames do not have')
  return { peers, ports }
}

/** An empty list would read as everything. */
function atLeastOne(list: Field): readonly Field[] {
  const items = list.required().list()
  if (items.length === 0) throw list.fail('is empty')
  return items
}

function readPeer(peer: Field, direction: RuleContext['direction']): readonly PolicyPeer[] {
  const found: (readonly PolicyPeer[])[] = []
  const selected = readPodsOrNamespaces(peer)
  if (selected !== undefined) found.push([{ kind: 'pods', ...selected }])
  if (direction === 'egress') {
    const [nodes, networks, domains] = [peer.get('nodes'), peer.get('networks'), peer.get('domainNames')]
    if (nodes.present) found.push([{ kind: 'nodes', nodes: readLabelSelector(nodes) }])
    if (networks.present) found.push(atLeastOne(networks).map((network) => ({ kind: 'ipBlock', cidr: network.cidr(), except: [] })))
    if (domains.present) found.push(atLeastOne(domains).map((domain) => ({ kind: 'domain', name: domain.domainPattern() })))
  }
  // None: a kind of peer of a later version. The API wants such a rule closed.
  if (found.length !== 1) throw peer.fail(found.length === 0 ? 'is of no known kind' : 'has several kinds at once, wanted one')
  return found[0]!
}

/** A port by name is meant for every protocol in which a pod has it. */
function named(name: string): readonly PolicyPort[] {
  return protocols.map((protocol) => ({ protocol, port: name, endPort: undefined }))
}

function readProtocol(field: Field): readonly PolicyPort[] {
  const found = [...protocols.filter((protocol) => field.get(protocol.toLowerCase()).present), ...(field.get('destinationNamedPort').present ? ['named' as const] : [])]
  if (found.length !== 1) throw field.fail(found.length === 0 ? 'is of no known kind, wanted one of tcp, udp, sctp, destinationNamedPort' : 'has several kinds at once, wanted one')
  const [kind] = found
  if (kind === 'named') return named(field.get('destinationNamedPort').name())
  const port = field.get(kind!.toLowerCase()).get('destinationPort')
  return [port.present ? readNumbers(kind!, port) : { protocol: kind!, port: undefined, endPort: undefined }]
}

function readNumbers(protocol: Protocol, port: Field): PolicyPort {
  const range = port.get('range')
  if (range.present === port.get('number').present) throw port.fail('wants one of number and range')
  return range.present ? readRange(protocol, range) : { protocol, port: port.get('number').port(), endPort: undefined }
}

function readRange(protocol: Protocol, range: Field): PolicyPort {
  const [port, endPort] = [range.get('start').port(), range.get('end').port()]
  if (endPort < port) throw range.fail(`ends at ${endPort}, before its start at ${port}`)
  return { protocol, port, endPort }
}

/** v1alpha1: `portNumber`, `namedPort` or `portRange`. */
function readLegacyPort(field: Field): readonly PolicyPort[] {
  const [number, name, range] = [field.get('portNumber'), field.get('namedPort'), field.get('portRange')]
  const protocolOf = (part: Field): Protocol => (part.get('protocol').present ? part.get('protocol').oneOf(protocols) : 'TCP')
  if ([number, name, range].filter(({ present }) => present).length !== 1) throw field.fail('wants one of portNumber, namedPort and portRange')
  if (name.present) return named(name.name())
  return [number.present ? { protocol: protocolOf(number), port: number.get('port').port(), endPort: undefined } : readRange(protocolOf(range), range)]
}
