import { adminNetworkPolicyResource, baselineAdminNetworkPolicyResource, type ClusterNetworkPolicy, clusterNetworkPolicyResource, type NetworkPolicy } from '@weft/api'
import type { EventTarget } from '@weft/kube'

const kinds = [clusterNetworkPolicyResource, adminNetworkPolicyResource, baselineAdminNetworkPolicyResource]

/** A policy as what an Event is about. */
export function policyTarget(policy: NetworkPolicy | ClusterNetworkPolicy): EventTarget {
  const { namespace, name, uid } = policy
  if (!('kind' in policy)) return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace, name, uid }
  return { apiVersion: kinds.find(({ kind }) => kind === policy.kind)!.apiVersion, kind: policy.kind, namespace: undefined, name, uid }
}
