import { asNumber, asText, valueAt } from '../json.ts'
import type { Kind } from '../kind.ts'
import { defineKind } from './define.ts'

const core = { group: '', version: 'v1' } as const

const EVENT_FIELDS = ['involvedObject.kind', 'involvedObject.namespace', 'involvedObject.name', 'involvedObject.uid', 'involvedObject.apiVersion', 'involvedObject.resourceVersion', 'involvedObject.fieldPath', 'reason', 'reportingComponent', 'source', 'type']

/** The kinds of the core group. */
export const coreKinds: readonly Kind[] = [
  defineKind({
    ...core, kind: 'Pod', resource: 'pods', shortNames: ['po'], categories: ['all'],
    subresources: ['status', 'log', 'exec', 'binding', 'eviction'],
    selectableFields: ['spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName', 'spec.hostNetwork', 'status.phase', 'status.podIP', 'status.nominatedNodeName'],
    gracePeriod: pod => {
      const phase = asText(valueAt(pod, 'status.phase'))
      // Nobody runs it: nothing has to be waited for.
      if (asText(valueAt(pod, 'spec.nodeName')) === undefined || phase === 'Succeeded' || phase === 'Failed') return 0
      return asNumber(valueAt(pod, 'spec.terminationGracePeriodSeconds')) ?? 30
    },
  }),
  defineKind({ ...core, kind: 'Namespace', resource: 'namespaces', shortNames: ['ns'], namespaced: false, subresources: ['status', 'finalize'], selectableFields: ['status.phase'] }),
  defineKind({ ...core, kind: 'Node', resource: 'nodes', shortNames: ['no'], namespaced: false, subresources: ['status'], keepsStatusOnCreate: true, selectableFields: ['spec.unschedulable'] }),
  defineKind({ ...core, kind: 'Service', resource: 'services', shortNames: ['svc'], categories: ['all'], subresources: ['status'], selectableFields: ['spec.clusterIP', 'spec.type'] }),
  defineKind({ ...core, kind: 'Endpoints', resource: 'endpoints', shortNames: ['ep'] }),
  defineKind({ ...core, kind: 'ConfigMap', resource: 'configmaps', shortNames: ['cm'] }),
  defineKind({ ...core, kind: 'Secret', resource: 'secrets', selectableFields: ['type'] }),
  defineKind({ ...core, kind: 'ServiceAccount', resource: 'serviceaccounts', shortNames: ['sa'], subresources: ['token'] }),
  defineKind({ ...core, kind: 'Event', resource: 'events', shortNames: ['ev'], selectableFields: EVENT_FIELDS }),
]
