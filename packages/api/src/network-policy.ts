import { type Cidr, cidrContains } from '@weft/ip'
import type { DomainPattern } from './domain-name.ts'
import type { Field } from './field.ts'
import { type LabelSelector, readLabelSelector } from './label-selector.ts'
import type { ObjectMeta } from './object-meta.ts'
import type { ObjectResource } from './object-resource.ts'
import { type PolicyTelling, readPolicyTelling } from './policy-telling.ts'
import { Problems } from './problems.ts'
import { type Protocol, protocols } from './protocol.ts'

/** Who is at the other end of a connection. */
export type PolicyPeer =
  | { readonly kind: 'ipBlock', readonly cidr: Cidr, readonly except: readonly Cidr[] }
  /** Absent `namespaces` means the policy's own namespace; absent `pods` means all pods. */
  | { readonly kind: 'pods', readonly namespaces: LabelSelector | undefined, readonly pods: LabelSelector | undefined }
  /** All addresses of the nodes with these labels. */
  | { readonly kind: 'nodes', readonly nodes: LabelSelector }
  /** Addresses that DNS gave for such names. */
  | { readonly kind: 'domain', readonly name: DomainPattern }

export interface PolicyPort {
  readonly protocol: Protocol
  /** A number, the name of a container port, or absent for all ports. */
  readonly port: number | string | undefined
  /** Last port of a range that begins at `port`. */
  readonly endPort: number | undefined
}

/** Traffic is meant when it matches one peer and one port; an empty list there matches everything. */
export interface PolicyRule {
  readonly peers: readonly PolicyPeer[]
  readonly ports: readonly PolicyPort[]
}

export interface NetworkPolicy extends ObjectMeta {
  readonly pods: LabelSelector
  /** Absent when the policy does not isolate that direction; empty when it isolates and allows nothing. */
  readonly ingress: readonly PolicyRule[] | undefined
  readonly egress: readonly PolicyRule[] | undefined
  readonly telling: PolicyTelling
  /** What could not be read, and was left out so that less is allowed. */
  readonly problems: readonly string[]
}

/**
 * Keeps what the features use of a networking.k8s.io/v1 NetworkPolicy. What cannot be read of it fails closed: a peer, port or
 * rule is left out, a podSelector means the whole namespace and then nothing is allowed, policyTypes mean both directions.
 *
 * @throws {InvalidObjectError} If it has no name by which to hold it.
 */
export function toNetworkPolicy(object: unknown): NetworkPolicy {
  const problems = new Problems()
  const { root, meta } = problems.open('NetworkPolicy', object)
  const spec = (name: string): Field => root.get('spec').get(name)
  const types = problems.attempt(() => spec('policyTypes').list().map((type) => type.oneOf(['Ingress', 'Egress'])))
  const pods = problems.attempt(() => readLabelSelector(spec('podSelector')))
  const readRules = (direction: 'ingress' | 'egress'): readonly PolicyRule[] => {
    const list = problems.attempt(() => spec(direction))
    // Rules are meant for the pods selected; nobody knows which those are.
    if (list === undefined || pods === undefined) return []
    return problems.readable(list, (rule) => readRule(rule, direction === 'ingress' ? 'from' : 'to', problems)).items
  }
  // Without policyTypes: ingress always, egress when there are egress rules. A list that cannot be read may be some.
  const isolates = {
    ingress: types === undefined || types.length === 0 || types.includes('Ingress'),
    egress: types === undefined || (types.length === 0 ? hasItems(problems.attempt(() => spec('egress'))) : types.includes('Egress')),
  }
  return {
    ...meta,
    pods: pods ?? [],
    ingress: isolates.ingress ? readRules('ingress') : undefined,
    egress: isolates.egress ? readRules('egress') : undefined,
    telling: readPolicyTelling(root.get('metadata'), problems),
    problems: problems.messages,
  }
}

function hasItems(list: Field | undefined): boolean {
  return list === undefined || (list.present && !(Array.isArray(list.value) && list.value.length === 0))
}

function readRule(rule: Field, to: 'from' | 'to', problems: Problems): PolicyRule {
  const peers = problems.readable(rule.get(to), readPeer)
  const ports = problems.readable(rule.get('ports'), readPort)
  // Of which nothing is left must not become one of everything.
  for (const { name, items, whole } of [{ name: to, ...peers }, { name: 'ports', ...ports }])
    if (!whole && items.length === 0) throw rule.get(name).fail('has nothing that can be read, so the rule allows nothing')
  return { peers: peers.items, ports: ports.items }
}

function readPeer(peer: Field): PolicyPeer {
  const block = peer.get('ipBlock')
  const pods = peer.get('podSelector')
  const namespaces = peer.get('namespaceSelector')
  if (block.present) {
    if (pods.present || namespaces.present) throw peer.fail('has an ipBlock and a selector, wanted one of them')
    const cidr = block.get('cidr').cidr()
    const except = block.get('except').list().map((field) => {
      const inner = field.cidr()
      if (inner.family !== cidr.family || !cidrContains(cidr, inner)) throw field.fail(`is ${String(field.value)}, which is not inside ${String(block.get('cidr').value)}`)
      return inner
    })
    return { kind: 'ipBlock', cidr, except }
  }
  // An empty peer must not become "everything" (CVE-2021-25736): the API server refuses it, and so do we.
  if (!pods.present && !namespaces.present) throw peer.fail('is empty, wanted an ipBlock, a podSelector or a namespaceSelector')
  return {
    kind: 'pods',
    namespaces: namespaces.present ? readLabelSelector(namespaces) : undefined,
    pods: pods.present ? readLabelSelector(pods) : undefined,
  }
}

function readPort(field: Field): PolicyPort {
  const port = field.get('port')
  const endPort = field.get('endPort')
  const protocol = field.get('protocol').present ? field.get('protocol').oneOf(protocols) : 'TCP'
  if (endPort.present) {
    const first = port.port()
    const last = endPort.port()
    if (last < first) throw endPort.fail(`is ${last}, which is below port ${first}`)
    return { protocol, port: first, endPort: last }
  }
  return { protocol, port: !port.present ? undefined : typeof port.value === 'string' ? port.name() : port.port(), endPort: undefined }
}

export const networkPolicyResource: ObjectResource<NetworkPolicy> = { kind: 'NetworkPolicy', apiVersion: 'networking.k8s.io/v1', name: 'networkpolicies', path: '/apis/networking.k8s.io/v1/networkpolicies', trim: toNetworkPolicy }
