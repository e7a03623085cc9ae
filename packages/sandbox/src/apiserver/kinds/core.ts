import { asNumber, asText, valueAt } from '../json.ts'
import type { Kind } from '../kind.ts'
import { defineKind } from './define.ts'
import { defaultEndpoints, validateEndpoints } from './endpoints.ts'
import { defaultNamespace, defaultNode, defaultSecret, validateData, validateEvent, validateNode } from './plain.ts'
import { defaultPod, validatePod } from './pod.ts'
import { defaultService, validateService } from './service.ts'

const core = { group: '', version: 'v1' } as const

const EVENT_FIELDS = ['involvedObject.kind', 'involvedObject.namespace', 'involvedObject.name', 'involvedObject.uid', 'involvedObject.apiVersion', 'involvedObject.resourceVersion', 'involvedObject.fieldPath', 'reason', 'reportingComponent', 'source', 'type']

/** The kinds of the core group. */
export const coreKinds: readonly Kind[] = [
  defineKind({
    ...core, kind: 'Pod', resource: 'pods', shortNames: ['po'], categories: ['all'],
    subresources: ['status', 'log', 'exec', 'binding', 'eviction'],
    applyDefaults: defaultPod, validate: validatePod,
    selectableFields: ['spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName', 'spec.hostNetwork', 'status.phase', 'status.podIP', 'status.nominatedNodeName'],
    gracePeriod: pod => {
      const phase = asText(valueAt(pod, 'status.phase'))
      // Nobody runs it: nothing has to be waited for.
      if (asText(valueAt(pod, 'spec.nodeName')) === undefined || phase === 'Succeeded' || phase === 'Failed') return 0
      return asNumber(valueAt(pod, 'spec.terminationGracePeriodSeconds')) ?? 30
    },
  }),
  defineKind({ ...core, kind: 'Namespace', resource: 'namespaces', shortNames: ['ns'], namespaced: false, subresources: ['status', 'finalize'], selectableFields: ['status.phase'], applyDefaults: defaultNamespace }),
  defineKind({ ...core, kind: 'Node', resource: 'nodes', shortNames: ['no'], namespaced: false, subresources: ['status'], keepsStatusOnCreate: true, selectableFields: ['spec.unschedulable'], applyDefaults: defaultNode, validate: validateNode }),
  defineKind({ ...core, kind: 'Service', resource: 'services', shortNames: ['svc'], categories: ['all'], subresources: ['status'], selectableFields: ['spec.clusterIP', 'spec.type'], applyDefaults: defaultService, validate: validateService }),
  defineKind({ ...core, kind: 'Endpoints', resource: 'endpoints', shortNames: ['ep'], applyDefaults: defaultEndpoints, validate: validateEndpoints }),
  defineKind({ ...core, kind: 'ConfigMap', resource: 'configmaps', shortNames: ['cm'], validate: validateData }),
  defineKind({ ...core, kind: 'Secret', resource: 'secrets', selectableFields: ['type'], applyDefaults: defaultSecret, validate: validateData }),
  defineKind({ ...core, kind: 'ServiceAccount', resource: 'serviceaccounts', shortNames: ['sa'], subresources: ['token'] }),
  defineKind({ ...core, kind: 'Event', resource: 'events', shortNames: ['ev'], selectableFields: EVENT_FIELDS, validate: validateEvent }),
]
