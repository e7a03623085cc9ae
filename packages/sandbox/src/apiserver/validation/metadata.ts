import { asArray, asObject, asTextMap, objectsIn, type KubeObject, type JsonObject } from '../json.ts'
import type { Kind } from '../kind.ts'
import type { Cause } from '../status.ts'
import { invalidValue, required, wrongType } from './field.ts'
import { label1035Fault, labelFault, labelValueFault, pathSegmentFault, qualifiedNameFault, subdomainFault } from './name.ts'

/** Faults of an object's metadata: its name by the rule of its kind, labels, annotations, owners, finalizers. */
export function validateMetadata(kind: Kind, object: KubeObject): Cause[] {
  const causes: Cause[] = []
  const { metadata } = object
  const fault = nameRule(kind)(metadata.name)
  if (fault !== undefined) causes.push(invalidValue('metadata.name', metadata.name, fault))
  for (const map of ['labels', 'annotations'] as const) {
    if (metadata[map] !== undefined && asObject(metadata[map]) === undefined) causes.push(wrongType(`metadata.${map}`, metadata[map], 'object'))
  }
  for (const [key, value] of Object.entries(asTextMap(metadata.labels))) {
    const keyFault = qualifiedNameFault(key)
    if (keyFault !== undefined) causes.push(invalidValue('metadata.labels', key, keyFault))
    const valueFault = typeof value === 'string' ? labelValueFault(value) : 'must be a string'
    if (valueFault !== undefined) causes.push(invalidValue('metadata.labels', value, valueFault))
  }
  for (const [key, value] of Object.entries(asTextMap(metadata.annotations))) {
    const keyFault = qualifiedNameFault(key.toLowerCase())
    if (keyFault !== undefined) causes.push(invalidValue('metadata.annotations', key, keyFault))
    if (typeof value !== 'string') causes.push(invalidValue('metadata.annotations', value, 'must be a string'))
  }
  for (const [index, owner] of objectsIn(metadata.ownerReferences).entries()) {
    for (const name of ['apiVersion', 'kind', 'name', 'uid']) {
      if (typeof owner[name] !== 'string' || owner[name] === '') causes.push(required(`metadata.ownerReferences[${index}].${name}`))
    }
  }
  for (const finalizer of asArray(metadata.finalizers)) {
    const finalizerFault = typeof finalizer === 'string' ? qualifiedNameFault(finalizer) : 'must be a string'
    if (finalizerFault !== undefined) causes.push(invalidValue('metadata.finalizers', finalizer, finalizerFault))
  }
  return causes
}

function nameRule(kind: Kind): (name: string) => string | undefined {
  if (kind.group === 'rbac.authorization.k8s.io') return pathSegmentFault
  if (kind.group === '' && kind.kind === 'Namespace') return labelFault
  if (kind.group === '' && kind.kind === 'Service') return label1035Fault
  return subdomainFault
}

/** Faults of a LabelSelector. */
export function labelSelectorFaults(selector: JsonObject, field: string): Cause[] {
  const causes: Cause[] = []
  for (const [key, value] of Object.entries(asTextMap(selector['matchLabels']))) {
    const keyFault = qualifiedNameFault(key)
    if (keyFault !== undefined) causes.push(invalidValue(`${field}.matchLabels`, key, keyFault))
    const valueFault = typeof value === 'string' ? labelValueFault(value) : 'must be a string'
    if (valueFault !== undefined) causes.push(invalidValue(`${field}.matchLabels`, value, valueFault))
  }
  for (const [index, expression] of objectsIn(selector['matchExpressions']).entries()) {
    const at = `${field}.matchExpressions[${index}]`
    const key = expression['key']
    const keyFault = typeof key === 'string' ? qualifiedNameFault(key) : 'must be a string'
    if (keyFault !== undefined) causes.push(invalidValue(`${at}.key`, key, keyFault))
    const values = asArray(expression['values'])
    switch (expression['operator']) {
      case 'In':
      case 'NotIn':
        if (values.length === 0) causes.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
        break
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0) causes.push({ reason: 'FieldValueForbidden', message: "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'", field: `${at}.values` })
        break
      default:
        causes.push(invalidValue(`${at}.operator`, expression['operator'], 'not a valid selector operator'))
    }
  }
  return causes
}
