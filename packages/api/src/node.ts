import { type Cidr, type IpAddress, parseIp } from '@weft/ip'
import type { NodeName } from './node-name.ts'
import { type ObjectMeta, openObject } from './object-meta.ts'
import type { ObjectResource } from './object-resource.ts'

export interface Node extends ObjectMeta {
  readonly name: NodeName
  /** InternalIP addresses, in the order given (at most one per family is used). */
  readonly internalIps: readonly IpAddress[]
  readonly externalIps: readonly IpAddress[]
  /** All of `status.addresses` that are IP addresses: what a policy means that selects the node. */
  readonly addresses: readonly IpAddress[]
  /** `spec.podCIDRs`; empty until the cluster assigns them. */
  readonly podCidrs: readonly Cidr[]
  readonly ready: boolean
  /** Keys of `spec.taints`. */
  readonly taints: readonly string[]
}

/**
 * Keeps what the features use of a core/v1 Node.
 *
 * @throws {InvalidObjectError} Naming the node and the field.
 */
export function toNode(object: unknown): Node {
  const { root, meta } = openObject('Node', object)
  const status = root.get('status')
  const addresses = status.get('addresses').list()
  const ofType = (type: string) => addresses.filter((entry) => entry.get('type').value === type).map((entry) => entry.get('address').endpointIp())
  const podCidrs = root.get('spec').get('podCIDRs').list()
  return {
    ...meta,
    name: root.get('metadata').get('name').nodeName(),
    internalIps: ofType('InternalIP'),
    externalIps: ofType('ExternalIP'),
    addresses: addresses.flatMap((entry) => ipsIn(entry.get('address').value)),
    podCidrs: (podCidrs.length > 0 || !root.get('spec').get('podCIDR').present ? podCidrs : [root.get('spec').get('podCIDR')]).map((entry) => entry.cidr()),
    ready: status.get('conditions').list().some((condition) => condition.get('type').value === 'Ready' && condition.get('status').value === 'True'),
    taints: root.get('spec').get('taints').list().map((taint) => taint.get('key').stringOr('')),
  }
}

/** Host names stand in the same list. */
function ipsIn(text: unknown): readonly IpAddress[] {
  try {
    return [parseIp(String(text))]
  } catch {
    return []
  }
}

export const nodeResource: ObjectResource<Node> = { kind: 'Node', apiVersion: 'v1', name: 'nodes', path: '/api/v1/nodes', trim: toNode }
