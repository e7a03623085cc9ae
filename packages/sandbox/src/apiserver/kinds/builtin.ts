import { validatePolicy, validatePolicyBinding } from '../admission/admission-policies.ts'
import type { Kind } from '../kind.ts'
import { coreKinds } from './core.ts'
import { defineKind } from './define.ts'
import { defaultEndpointSlice, validateEndpointSlice } from './endpoints.ts'
import { groupEventKind } from './event.ts'
import { defaultNetworkPolicy, validateNetworkPolicy } from './network-policy.ts'
import { validateIngress, validateIpAddress, validateLease, validateRoleBinding, validateServiceCidr } from './plain.ts'
import { defaultWorkload, validateWorkload } from './workload.ts'

const apps = { group: 'apps', version: 'v1', categories: ['all'], applyDefaults: defaultWorkload, validate: validateWorkload } as const
const networking = { group: 'networking.k8s.io', version: 'v1' } as const
const admission = { group: 'admissionregistration.k8s.io', version: 'v1' } as const
const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1' } as const

/** Every kind served from the start; custom resources are added as their definitions come. */
export const builtinKinds: readonly Kind[] = [
  ...coreKinds,
  defineKind({ ...apps, kind: 'Deployment', resource: 'deployments', shortNames: ['deploy'], subresources: ['status', 'scale'] }),
  defineKind({ ...apps, kind: 'ReplicaSet', resource: 'replicasets', shortNames: ['rs'], subresources: ['status', 'scale'] }),
  defineKind({ ...apps, kind: 'StatefulSet', resource: 'statefulsets', shortNames: ['sts'], subresources: ['status', 'scale'] }),
  defineKind({ ...apps, kind: 'DaemonSet', resource: 'daemonsets', shortNames: ['ds'], subresources: ['status'] }),
  defineKind({ group: 'discovery.k8s.io', version: 'v1', kind: 'EndpointSlice', resource: 'endpointslices', applyDefaults: defaultEndpointSlice, validate: validateEndpointSlice }),
  defineKind({ ...networking, kind: 'NetworkPolicy', resource: 'networkpolicies', shortNames: ['netpol'], applyDefaults: defaultNetworkPolicy, validate: validateNetworkPolicy }),
  defineKind({ ...networking, kind: 'Ingress', resource: 'ingresses', shortNames: ['ing'], subresources: ['status'], validate: validateIngress }),
  defineKind({ ...networking, kind: 'IngressClass', resource: 'ingressclasses', namespaced: false }),
  defineKind({ ...networking, kind: 'IPAddress', resource: 'ipaddresses', shortNames: ['ip'], namespaced: false, validate: validateIpAddress }),
  defineKind({ ...networking, kind: 'ServiceCIDR', resource: 'servicecidrs', namespaced: false, subresources: ['status'], validate: validateServiceCidr }),
  defineKind({ group: 'coordination.k8s.io', version: 'v1', kind: 'Lease', resource: 'leases', validate: validateLease }),
  groupEventKind,
  defineKind({ group: 'policy', version: 'v1', kind: 'PodDisruptionBudget', resource: 'poddisruptionbudgets', shortNames: ['pdb'], subresources: ['status'] }),
  defineKind({ group: 'scheduling.k8s.io', version: 'v1', kind: 'PriorityClass', resource: 'priorityclasses', shortNames: ['pc'], namespaced: false }),
  defineKind({ ...admission, kind: 'ValidatingAdmissionPolicy', resource: 'validatingadmissionpolicies', namespaced: false, subresources: ['status'], validate: validatePolicy }),
  defineKind({ ...admission, kind: 'ValidatingAdmissionPolicyBinding', resource: 'validatingadmissionpolicybindings', namespaced: false, validate: validatePolicyBinding }),
  defineKind({ ...rbac, kind: 'Role', resource: 'roles' }),
  defineKind({ ...rbac, kind: 'RoleBinding', resource: 'rolebindings', validate: validateRoleBinding }),
  defineKind({ ...rbac, kind: 'ClusterRole', resource: 'clusterroles', namespaced: false }),
  defineKind({ ...rbac, kind: 'ClusterRoleBinding', resource: 'clusterrolebindings', namespaced: false, validate: validateRoleBinding }),
]
