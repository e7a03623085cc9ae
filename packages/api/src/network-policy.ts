import { type Cidr, cidrContains } from '@weft/ip'
import type { Field } from './field.ts'
import { type LabelSelector, readLabelSelector } from './label-selector.ts'
import { type ObjectMeta, openObject } from './object-meta.ts'
import type { ObjectResource } from './object-resource.ts'
import { type Protocol, protocols } from './protocol.ts'

export type PolicyPeer =
  | { readonly kind: 'ipBlock', readonly cidr: Cidr, readonly except: readonly Cidr[] }
  /** Absent `namespaces` means the policy's own namespace; absent `pods` means all pods. */
  | { readonly kind: 'pods', readonly namespaces: LabelSelector | undefined, readonly pods: LabelSelector | undefined }

export interface PolicyPort {
  readonly protocol: Protocol
  /** A number, the name of a container port, or absent for all ports. */
  readonly port: number | string | undefined
  /** Last port of a range that begins at `port`. */
  readonly endPort: number | undefined
}

/** Traffic is allowed when it matches one peer and one port; an empty list there matches everything. */
export interface PolicyRule {
  readonly peers: readonly PolicyPeer[]
  readonly ports: readonly PolicyPort[]
}

export interface NetworkPolicy extends ObjectMeta {
  readonly pods: LabelSelector
  /** Absent when the policy does not isolate that direction; empty when it isolates and allows nothing. */
  readonly ingress: readonly PolicyRule[] | undefined
  readonly egress: readonly PolicyRule[] | undefined
}

/**
 * Keeps what the features use of a networking.k8s.io/v1 NetworkPolicy.
 *
 * @throws {InvalidObjectError} Naming the policy and the field.
 */
export function toNetworkPolicy(object: unknown): NetworkPolicy {
  const { root, meta } = openObject('NetworkPolicy', object)
  const spec = root.get('spec')
  const types = spec.get('policyTypes').list().map((type) => type.oneOf(['Ingress', 'Egress']))
  // Without policyTypes: ingress always, egress when there is an egress section.
  const ingress = types.length === 0 || types.includes('Ingress')
  const egress = types.length === 0 ? spec.get('egress').present : types.includes('Egress')
  return {
    ...meta,
    pods: readLabelSelector(spec.get('podSelector')),
    ingress: ingress ? spec.get('ingress').list().map((rule) => readRule(rule, 'from')) : undefined,
    egress: egress ? spec.get('egress').list().map((rule) => readRule(rule, 'to')) : undefined,
  }
}

function readRule(rule: Field, peers: 'from' | 'to'): PolicyRule {
  return { peers: rule.get(peers).list().map(readPeer), ports: rule.get('ports').list().map(readPort) }
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

export const networkPolicyResource: ObjectResource<NetworkPolicy> = { name: 'networkpolicies', path: '/apis/networking.k8s.io/v1/networkpolicies', trim: toNetworkPolicy }
