import type { Kind } from '../kind.ts'
import { coreKinds } from './core.ts'
import { defineKind } from './define.ts'

const apps = { group: 'apps', version: 'v1', categories: ['all'] } as const
const networking = { group: 'networking.k8s.io', version: 'v1' } as const
const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1' } as const

/** Every kind served from the start; custom resources are added as their definitions come. */
export const builtinKinds: readonly Kind[] = [
  ...coreKinds,
  defineKind({ ...apps, kind: 'Deployment', resource: 'deployments', shortNames: ['deploy'], subresources: ['status', 'scale'] }),
  defineKind({ ...apps, kind: 'ReplicaSet', resource: 'replicasets', shortNames: ['rs'], subresources: ['status', 'scale'] }),
  defineKind({ ...apps, kind: 'StatefulSet', resource: 'statefulsets', shortNames: ['sts'], subresources: ['status', 'scale'] }),
  defineKind({ ...apps, kind: 'DaemonSet', resource: 'daemonsets', shortNames: ['ds'], subresources: ['status'] }),
  defineKind({ group: 'discovery.k8s.io', version: 'v1', kind: 'EndpointSlice', resource: 'endpointslices' }),
  defineKind({ ...networking, kind: 'NetworkPolicy', resource: 'networkpolicies', shortNames: ['netpol'] }),
  defineKind({ ...networking, kind: 'Ingress', resource: 'ingresses', shortNames: ['ing'], subresources: ['status'] }),
  defineKind({ ...networking, kind: 'IngressClass', resource: 'ingressclasses', namespaced: false }),
  defineKind({ ...networking, kind: 'IPAddress', resource: 'ipaddresses', shortNames: ['ip'], namespaced: false }),
  defineKind({ ...networking, kind: 'ServiceCIDR', resource: 'servicecidrs', namespaced: false, subresources: ['status'] }),
  defineKind({ group: 'coordination.k8s.io', version: 'v1', kind: 'Lease', resource: 'leases' }),
  defineKind({ ...rbac, kind: 'Role', resource: 'roles' }),
  defineKind({ ...rbac, kind: 'RoleBinding', resource: 'rolebindings' }),
  defineKind({ ...rbac, kind: 'ClusterRole', resource: 'clusterroles', namespaced: false }),
  defineKind({ ...rbac, kind: 'ClusterRoleBinding', resource: 'clusterrolebindings', namespaced: false }),
  defineKind({ group: 'apiextensions.k8s.io', version: 'v1', kind: 'CustomResourceDefinition', resource: 'customresourcedefinitions', shortNames: ['crd', 'crds'], namespaced: false, categories: ['api-extensions'], subresources: ['status'] }),
]
