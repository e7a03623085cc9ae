import { asNumber, asObject, asText, asTextMap, equalJson, memberObject, type JsonObject, type KubeObject } from '../json.ts'
import { matchesLabelSelector } from '../selector.ts'
import type { Cause } from '../status.ts'
import { invalidValue, notSupported, required } from '../validation/field.ts'
import { labelSelectorFaults } from '../validation/metadata.ts'
import { defaultPodSpec, podSpecFaults } from './pod.ts'

/** Fills what all workloads share, then what the kind adds. */
export function defaultWorkload(object: KubeObject): void {
  const spec = asObject(object['spec'])
  if (spec === undefined) return
  const podSpec = asObject(asObject(spec['template'])?.['spec'])
  if (podSpec !== undefined) defaultPodSpec(podSpec)
  if (object.kind !== 'DaemonSet' && spec['replicas'] === undefined) spec['replicas'] = 1
  switch (object.kind) {
    case 'Deployment': return defaultDeployment(spec)
    case 'DaemonSet': {
      spec['revisionHistoryLimit'] ??= 10
      const strategy = memberObject(spec, 'updateStrategy')
      strategy['type'] ??= 'RollingUpdate'
      if (strategy['type'] === 'RollingUpdate') strategy['rollingUpdate'] = { maxUnavailable: 1, maxSurge: 0, ...asObject(strategy['rollingUpdate']) }
      return
    }
    case 'StatefulSet': {
      spec['revisionHistoryLimit'] ??= 10
      spec['podManagementPolicy'] ??= 'OrderedReady'
      const strategy = memberObject(spec, 'updateStrategy')
      strategy['type'] ??= 'RollingUpdate'
      if (strategy['type'] === 'RollingUpdate') strategy['rollingUpdate'] = { partition: 0, ...asObject(strategy['rollingUpdate']) }
      return
    }
    default:
  }
}

function defaultDeployment(spec: JsonObject): void {
  spec['revisionHistoryLimit'] ??= 10
  spec['progressDeadlineSeconds'] ??= 600
  const strategy = memberObject(spec, 'strategy')
  strategy['type'] ??= 'RollingUpdate'
  if (strategy['type'] === 'RollingUpdate') strategy['rollingUpdate'] = { maxUnavailable: '25%', maxSurge: '25%', ...asObject(strategy['rollingUpdate']) }
}

/** Faults of a Deployment, ReplicaSet, DaemonSet or StatefulSet. */
export function validateWorkload(object: KubeObject, old: KubeObject | undefined): Cause[] {
  const spec = asObject(object['spec'])
  if (spec === undefined) return [required('spec')]
  const causes: Cause[] = []
  const selector = asObject(spec['selector'])
  const template = asObject(spec['template'])
  if (selector === undefined) causes.push(required('spec.selector'))
  else {
    causes.push(...labelSelectorFaults(selector, 'spec.selector'))
    const isEmpty = Object.keys(asTextMap(selector['matchLabels'])).length === 0 && selector['matchExpressions'] === undefined
    if (isEmpty) causes.push(invalidValue('spec.selector', selector, `empty selector is invalid for ${object.kind.toLowerCase()}`))
    const labels = asTextMap(asObject(template?.['metadata'])?.['labels'])
    if (!isEmpty && !matchesLabelSelector(selector, labels)) causes.push(invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'))
    if (old !== undefined && !equalJson(asObject(old['spec'])?.['selector'], selector)) causes.push(invalidValue('spec.selector', selector, 'field is immutable'))
  }
  if ((asNumber(spec['replicas']) ?? 0) < 0) causes.push(invalidValue('spec.replicas', spec['replicas'], 'must be greater than or equal to 0'))
  const podSpec = asObject(template?.['spec'])
  if (podSpec === undefined) causes.push(required('spec.template.spec.containers'))
  else {
    causes.push(...podSpecFaults(podSpec, 'spec.template.spec'))
    if ((asText(podSpec['restartPolicy']) ?? 'Always') !== 'Always') causes.push(notSupported('spec.template.spec.restartPolicy', podSpec['restartPolicy'], ['Always']))
  }
  return causes
}
