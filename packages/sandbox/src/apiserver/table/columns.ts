import { asArray, asNumber, asObject, asText, asTextMap, objectsIn, valueAt, wordOf, type Json, type KubeObject } from '../json.ts'
import { selectorText } from '../selector-text.ts'
import { age } from './age.ts'
import type { Column } from './column.ts'
import { endpointColumns, endpointSliceColumns, serviceColumns } from './network-columns.ts'
import { podColumns } from './pod-columns.ts'

const nameColumn: Column = { name: 'Name', type: 'string', format: 'name', cell: object => object.metadata.name }
const ageColumn: Column = { name: 'Age', type: 'string', cell: (object, now) => age(object.metadata.creationTimestamp, now) }
const createdColumn: Column = { name: 'Created At', type: 'date', cell: object => object.metadata.creationTimestamp }

function text(name: string, cell: (object: KubeObject) => Json, priority: 0 | 1 = 0): Column {
  return { name, type: 'string', cell, priority }
}

function number(name: string, path: string): Column {
  return { name, type: 'integer', cell: object => asNumber(valueAt(object, path)) ?? 0 }
}

function at(object: KubeObject, path: string): string {
  return asText(valueAt(object, path)) ?? '<none>'
}

const workloadColumns: readonly Column[] = [
  text('Containers', object => objectsIn(valueAt(object, 'spec.template.spec.containers')).map(container => wordOf(container['name'])).join(','), 1),
  text('Images', object => objectsIn(valueAt(object, 'spec.template.spec.containers')).map(container => wordOf(container['image'])).join(','), 1),
  text('Selector', object => selectorText(valueAt(object, 'spec.selector')), 1),
]

const readyOfDesired = text('Ready', object => `${asNumber(valueAt(object, 'status.readyReplicas')) ?? 0}/${asNumber(valueAt(object, 'spec.replicas')) ?? 0}`)

const nodeColumns: readonly Column[] = [
  nameColumn,
  text('Status', node => {
    const ready = objectsIn(valueAt(node, 'status.conditions')).find(condition => condition['type'] === 'Ready')?.['status']
    const texts = [ready === 'True' ? 'Ready' : ready === undefined ? 'Unknown' : 'NotReady']
    if (valueAt(node, 'spec.unschedulable') === true) texts.push('SchedulingDisabled')
    return texts.join(',')
  }),
  text('Roles', node => {
    const roles = Object.keys(asTextMap(node.metadata.labels)).filter(label => label.startsWith('node-role.kubernetes.io/')).map(label => label.slice(24))
    return roles.length === 0 ? '<none>' : roles.sort().join(',')
  }),
  ageColumn,
  text('Version', node => asText(valueAt(node, 'status.nodeInfo.kubeletVersion')) ?? ''),
  text('Internal-IP', node => nodeAddress(node, 'InternalIP'), 1),
  text('External-IP', node => nodeAddress(node, 'ExternalIP'), 1),
  text('OS-Image', node => asText(valueAt(node, 'status.nodeInfo.osImage')) ?? '<unknown>', 1),
  text('Kernel-Version', node => asText(valueAt(node, 'status.nodeInfo.kernelVersion')) ?? '<unknown>', 1),
  text('Container-Runtime', node => asText(valueAt(node, 'status.nodeInfo.containerRuntimeVersion')) ?? '<unknown>', 1),
]

function nodeAddress(node: KubeObject, type: string): string {
  return asText(objectsIn(valueAt(node, 'status.addresses')).find(address => address['type'] === type)?.['address']) ?? '<none>'
}

const eventColumns: readonly Column[] = [
  { name: 'Last Seen', type: 'string', cell: (event, now) => age(asText(valueAt(event, 'series.lastObservedTime')) ?? asText(event['lastTimestamp']) ?? asText(event['eventTime']) ?? event.metadata.creationTimestamp, now) },
  text('Type', event => asText(event['type']) ?? ''),
  text('Reason', event => asText(event['reason']) ?? ''),
  text('Object', event => `${(asText(valueAt(event, 'involvedObject.kind')) ?? '').toLowerCase()}/${at(event, 'involvedObject.name')}`),
  text('Subobject', event => asText(valueAt(event, 'involvedObject.fieldPath')) ?? '', 1),
  text('Source', event => [asText(valueAt(event, 'source.component')) ?? asText(event['reportingComponent']) ?? '', asText(valueAt(event, 'source.host')) ?? ''].filter(part => part !== '').join(', '), 1),
  text('Message', event => (asText(event['message']) ?? '').trim()),
  { name: 'First Seen', type: 'string', priority: 1, cell: (event, now) => age(asText(event['firstTimestamp']) ?? asText(event['eventTime']) ?? event.metadata.creationTimestamp, now) },
  { name: 'Count', type: 'integer', priority: 1, cell: event => asNumber(valueAt(event, 'series.count')) ?? asNumber(event['count']) ?? 1 },
  { ...nameColumn, priority: 1 },
]

const dataCount = (object: KubeObject): number => Object.keys(asObject(object['data']) ?? {}).length + Object.keys(asObject(object['binaryData']) ?? {}).length

/** Columns of the built-in kinds, by storage name. */
export const builtinColumns: Readonly<Record<string, readonly Column[]>> = {
  pods: podColumns,
  nodes: nodeColumns,
  services: serviceColumns,
  endpoints: endpointColumns,
  events: eventColumns,
  'endpointslices.discovery.k8s.io': endpointSliceColumns,
  namespaces: [nameColumn, text('Status', object => at(object, 'status.phase')), ageColumn],
  configmaps: [nameColumn, { name: 'Data', type: 'string', cell: dataCount }, ageColumn],
  secrets: [nameColumn, text('Type', object => asText(object['type']) ?? ''), { name: 'Data', type: 'string', cell: dataCount }, ageColumn],
  serviceaccounts: [nameColumn, { name: 'Secrets', type: 'string', cell: object => asArray(object['secrets']).length }, ageColumn],
  'deployments.apps': [nameColumn, readyOfDesired, number('Up-to-date', 'status.updatedReplicas'), number('Available', 'status.availableReplicas'), ageColumn, ...workloadColumns],
  'replicasets.apps': [nameColumn, number('Desired', 'spec.replicas'), number('Current', 'status.replicas'), number('Ready', 'status.readyReplicas'), ageColumn, ...workloadColumns],
  'statefulsets.apps': [nameColumn, readyOfDesired, ageColumn, ...workloadColumns.slice(0, 2)],
  'daemonsets.apps': [
    nameColumn, number('Desired', 'status.desiredNumberScheduled'), number('Current', 'status.currentNumberScheduled'), number('Ready', 'status.numberReady'),
    number('Up-to-date', 'status.updatedNumberScheduled'), number('Available', 'status.numberAvailable'),
    text('Node Selector', object => selectorText(valueAt(object, 'spec.template.spec.nodeSelector')) || '<none>'), ageColumn, ...workloadColumns,
  ],
  'networkpolicies.networking.k8s.io': [nameColumn, text('Pod-Selector', object => selectorText(valueAt(object, 'spec.podSelector')) || '<none>'), ageColumn],
  'ingresses.networking.k8s.io': [
    nameColumn, text('Class', object => at(object, 'spec.ingressClassName')),
    text('Hosts', object => objectsIn(valueAt(object, 'spec.rules')).map(rule => asText(rule['host']) ?? '*').join(',') || '*'),
    text('Address', object => objectsIn(valueAt(object, 'status.loadBalancer.ingress')).map(entry => asText(entry['ip']) ?? asText(entry['hostname'])).join(',')),
    text('Ports', object => (asArray(valueAt(object, 'spec.tls')).length > 0 ? '80, 443' : '80')), ageColumn,
  ],
  'ipaddresses.networking.k8s.io': [nameColumn, text('ParentRef', object => [asText(valueAt(object, 'spec.parentRef.resource')), asText(valueAt(object, 'spec.parentRef.namespace')), asText(valueAt(object, 'spec.parentRef.name'))].filter(part => part !== undefined).join('/')), ageColumn],
  'servicecidrs.networking.k8s.io': [nameColumn, text('CIDRs', object => asArray(valueAt(object, 'spec.cidrs')).map(wordOf).join(',')), ageColumn],
  'leases.coordination.k8s.io': [nameColumn, text('Holder', object => asText(valueAt(object, 'spec.holderIdentity')) ?? ''), ageColumn],
  'roles.rbac.authorization.k8s.io': [nameColumn, createdColumn],
  'clusterroles.rbac.authorization.k8s.io': [nameColumn, createdColumn],
  'rolebindings.rbac.authorization.k8s.io': [nameColumn, roleColumn(), ageColumn],
  'clusterrolebindings.rbac.authorization.k8s.io': [nameColumn, roleColumn(), ageColumn],
  'customresourcedefinitions.apiextensions.k8s.io': [nameColumn, createdColumn],
}

function roleColumn(): Column {
  return text('Role', object => `${at(object, 'roleRef.kind')}/${at(object, 'roleRef.name')}`)
}
