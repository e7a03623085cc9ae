import { type KubeObject, namespace } from './kube-object.ts'

/** Programs that talk to the API server. */
export type Program = 'agent' | 'controller' | 'dns' | 'proxy' | 'policy'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

/**
 * Who may do what in the Kubernetes API. Every verb is one that the code uses; test/rbac.test.ts compares both ways.
 * Nothing here writes a Pod, a Service or a NetworkPolicy, and nothing reads a Secret or a ConfigMap.
 */
const clusterRules: Readonly<Record<Program, readonly Rule[]>> = {
  agent: [
    { apiGroups: [''], resources: ['nodes', 'pods', 'namespaces', 'services'], verbs: ['list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies', 'servicecidrs'], verbs: ['list', 'watch'] },
    { apiGroups: ['policy.networking.k8s.io'], resources: ['clusternetworkpolicies', 'adminnetworkpolicies', 'baselineadminnetworkpolicies'], verbs: ['list', 'watch'] },
    // The condition NetworkUnavailable of the agent's own node.
    { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] },
    // Address blocks (`ipam.mode: blocks`): a node claims free ones for itself.
    { apiGroups: ['weft.dev'], resources: ['ippools'], verbs: ['list'] },
    { apiGroups: ['weft.dev'], resources: ['ipblocks'], verbs: ['list', 'watch', 'create', 'update'] },
    // Events on objects that cannot be used.
    { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
  ],
  controller: [
    { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['weft.dev'], resources: ['ippools'], verbs: ['list', 'watch', 'create'] },
    // Blocks of nodes that are gone are collected.
    { apiGroups: ['weft.dev'], resources: ['ipblocks'], verbs: ['list', 'watch', 'delete'] },
    // Events on pools that cannot be used.
    { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
  ],
  // A pod has one account: beside the agent, the DNS server uses that one, which may all of this. Its own is for where it runs alone.
  dns: [
    // Pods only with `dns.pods: verified`.
    { apiGroups: [''], resources: ['pods', 'namespaces', 'services'], verbs: ['list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    // Events on Services that have no place in the zone.
    { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
  ],
  // Alone, beside the network of others.
  proxy: [
    { apiGroups: [''], resources: ['nodes', 'services'], verbs: ['list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    { apiGroups: ['networking.k8s.io'], resources: ['servicecidrs'], verbs: ['list', 'watch'] },
    { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
  ],
  policy: [
    { apiGroups: [''], resources: ['nodes', 'pods', 'namespaces', 'services'], verbs: ['list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['list', 'watch'] },
    { apiGroups: ['policy.networking.k8s.io'], resources: ['clusternetworkpolicies', 'adminnetworkpolicies', 'baselineadminnetworkpolicies'], verbs: ['list', 'watch'] },
    { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
  ],
}

/** In the namespace of the program itself. */
const ownRules: Readonly<Partial<Record<Program, readonly Rule[]>>> = {
  controller: [
    // The lease of the leader.
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], resourceNames: ['weft-controller'], verbs: ['get', 'update'] },
  ],
}

/** Account, roles and bindings of a program. */
export function rbacOf(program: Program): readonly KubeObject[] {
  const name = `weft-${program}`
  const own = ownRules[program]
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name }, rules: clusterRules[program] },
    binding('ClusterRole', name),
    ...(own === undefined ? [] : [{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name, namespace }, rules: own }, binding('Role', name)]),
  ]
}

function binding(kind: 'Role' | 'ClusterRole', name: string): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: `${kind}Binding`,
    metadata: { name, ...(kind === 'Role' ? { namespace } : {}) },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  }
}
