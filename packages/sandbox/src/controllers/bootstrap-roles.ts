// Read first: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
import type { JsonObject } from '../apiserver/json.ts'

/** A body that says what it is to be called. */
export type NamedObject = JsonObject & { readonly metadata: JsonObject & { readonly name: string } }

const all = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const reading = ['get', 'list', 'watch']
const discovery = ['/api', '/api/*', '/apis', '/apis/*', '/healthz', '/livez', '/openapi', '/openapi/*', '/readyz', '/version', '/version/']

/** Resources of a namespace that its users see; only `edit` and `admin` see Secrets, for whoever reads one can become its ServiceAccount. */
const visible: readonly JsonObject[] = [
  { apiGroups: [''], resources: ['configmaps', 'endpoints', 'events', 'namespaces', 'pods', 'pods/log', 'pods/status', 'serviceaccounts', 'services', 'services/status'] },
  { apiGroups: ['apps'], resources: ['daemonsets', 'daemonsets/status', 'deployments', 'deployments/scale', 'deployments/status', 'replicasets', 'replicasets/scale', 'replicasets/status', 'statefulsets', 'statefulsets/scale', 'statefulsets/status'] },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'] },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'ingresses/status', 'networkpolicies'] },
  { apiGroups: ['policy'], resources: ['poddisruptionbudgets', 'poddisruptionbudgets/status'] },
]
const writable: readonly JsonObject[] = [
  { apiGroups: [''], resources: ['configmaps', 'events', 'pods', 'pods/eviction', 'pods/exec', 'secrets', 'serviceaccounts', 'serviceaccounts/token', 'services'] },
  { apiGroups: ['apps'], resources: ['daemonsets', 'deployments', 'deployments/scale', 'replicasets', 'replicasets/scale', 'statefulsets', 'statefulsets/scale'] },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'networkpolicies'] },
  { apiGroups: ['policy'], resources: ['poddisruptionbudgets'] },
]
const view = visible.map((rule) => ({ ...rule, verbs: reading }))
const edit = [...view, ...writable.map((rule) => ({ ...rule, verbs: all }))]

const roles: Readonly<Record<string, readonly JsonObject[]>> = {
  'cluster-admin': [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }, { nonResourceURLs: ['*'], verbs: ['*'] }],
  'admin': [...edit, { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'], verbs: all }],
  edit,
  view,
  'system:basic-user': [
    { apiGroups: ['authorization.k8s.io'], resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], verbs: ['create'] },
    { apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'], verbs: ['create'] },
  ],
  'system:discovery': [{ nonResourceURLs: discovery, verbs: ['get'] }],
}

const groups: Readonly<Record<string, string>> = { 'cluster-admin': 'system:masters', 'system:basic-user': 'system:authenticated', 'system:discovery': 'system:authenticated' }

const labels = { 'kubernetes.io/bootstrapping': 'rbac-defaults' }

/** The roles every cluster has, and who has them from the start. */
export const bootstrapRoles: readonly NamedObject[] = Object.entries(roles).map(([name, rules]) => ({ metadata: { name, labels }, rules: rules.map((rule) => ({ ...rule })) }))

export const bootstrapBindings: readonly NamedObject[] = Object.entries(groups).map(([name, group]) => ({
  metadata: { name, labels },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: group }],
}))
