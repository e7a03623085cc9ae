import type { ClusterNetworkPolicy, DomainPattern, Namespace, NetworkPolicy, Node, NodeName, Pod } from '@weft/api'
import type { IpAddress } from '@weft/ip'
import type { DnsPeer } from '../model.ts'

/** Everything that policies speak of, at one moment. */
export interface PolicyCluster {
  readonly pods: Iterable<Pod>
  readonly namespaces: Iterable<Namespace>
  /** Peers of the policies that select nodes; and what a pod's own node sends always reaches it. */
  readonly nodes?: Iterable<Node> | undefined
  readonly policies?: Iterable<NetworkPolicy> | undefined
  /** ClusterNetworkPolicies, and the AdminNetworkPolicies and BaselineAdminNetworkPolicy of old, in any order. */
  readonly clusterPolicies?: Iterable<ClusterNetworkPolicy> | undefined
  /** What domain names stand for. */
  readonly names?: NamedAddresses | undefined
  /** The cluster DNS, where rules that mean its pods are to mean its servers too. */
  readonly dns?: DnsPeer | undefined
  /** The node whose podCIDRs are closed where no pod there has the address, as beside another CNI plugin; its Node is one of {@link PolicyCluster.nodes}. */
  readonly closesRangesOf?: NodeName | undefined
}

/** Addresses by the name they were an answer for, or by the end of such names. */
export type NamedAddresses = ReadonlyMap<DomainPattern, readonly IpAddress[]>
