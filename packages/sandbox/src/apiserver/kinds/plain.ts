// Small kinds: what little they default and refuse.
import { formatIp } from '@weft/ip'
import { asArray, asNumber, asObject, asText, equalJson, objectsIn, type KubeObject } from '../json.ts'
import type { Cause } from '../status.ts'
import { addressOf, networkOf, NOT_A_NETWORK, NOT_AN_ADDRESS } from '../validation/address.ts'
import { forbiddenField, invalidValue, notSupported, required } from '../validation/field.ts'

/** Fills a Namespace: the label with its name and the finalizer that empties it. */
export function defaultNamespace(namespace: KubeObject, old: KubeObject | undefined): void {
  namespace.metadata.labels = { ...namespace.metadata.labels, 'kubernetes.io/metadata.name': namespace.metadata.name }
  if (old !== undefined) return
  namespace['spec'] = { finalizers: ['kubernetes'] }
  namespace['status'] = { phase: 'Active' }
}

/** Fills a Secret: readable values become encoded ones. */
export function defaultSecret(secret: KubeObject): void {
  secret['type'] ??= 'Opaque'
  const plain = asObject(secret['stringData'])
  if (plain === undefined) return
  const encoded = Object.entries(plain).map(([key, value]) => [key, Buffer.from(asText(value) ?? '').toString('base64')] as const)
  secret['data'] = { ...asObject(secret['data']), ...Object.fromEntries(encoded) }
  delete secret['stringData']
}

/** Faults of a ConfigMap or Secret. */
export function validateData(object: KubeObject, old: KubeObject | undefined): Cause[] {
  const causes: Cause[] = []
  for (const map of ['data', 'binaryData']) {
    for (const key of Object.keys(asObject(object[map]) ?? {})) {
      if (!/^[-._a-zA-Z0-9]{1,253}$/u.test(key)) causes.push(invalidValue(`${map}[${key}]`, key, "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"))
    }
  }
  if (old?.['immutable'] === true) {
    for (const map of ['data', 'binaryData', 'immutable']) if (!equalJson(old[map], object[map])) causes.push(forbiddenField(map, 'field is immutable when `immutable` is set'))
  }
  if (old !== undefined && object.kind === 'Secret' && old['type'] !== object['type']) causes.push(invalidValue('type', object['type'], 'field is immutable'))
  return causes
}

/** Faults of a Node: pod ranges, which stay once set. */
export function validateNode(node: KubeObject, old: KubeObject | undefined): Cause[] {
  const spec = asObject(node['spec']) ?? {}
  const ranges = asArray(spec['podCIDRs'])
  const causes: Cause[] = []
  for (const [index, value] of ranges.entries()) if (networkOf(value) === undefined) causes.push(invalidValue(`spec.podCIDRs[${index}]`, value, NOT_A_NETWORK))
  if (ranges.length > 2) causes.push(invalidValue('spec.podCIDRs', [...ranges], 'may specify no more than one CIDR for each IP family'))
  if (ranges.length > 0 && spec['podCIDR'] !== ranges[0]) causes.push(invalidValue('spec.podCIDRs[0]', ranges[0], 'podCIDR must match the first of podCIDRs'))
  const before = asArray(asObject(old?.['spec'])?.['podCIDRs'])
  if (before.length > 0 && !equalJson([...before], [...ranges])) causes.push(forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
  return causes
}

/** Node: the single range follows the list and the other way round. */
export function defaultNode(node: KubeObject): void {
  node['spec'] ??= {}
  const spec = asObject(node['spec'])!
  const ranges = asArray(spec['podCIDRs'])
  if (ranges.length > 0) spec['podCIDR'] ??= ranges[0]
  else if (spec['podCIDR'] !== undefined) spec['podCIDRs'] = [spec['podCIDR']]
}

/** Faults of a Lease. */
export function validateLease(lease: KubeObject): Cause[] {
  const spec = asObject(lease['spec']) ?? {}
  const causes: Cause[] = []
  const duration = asNumber(spec['leaseDurationSeconds'])
  if (duration !== undefined && duration <= 0) causes.push(invalidValue('spec.leaseDurationSeconds', duration, 'must be greater than 0'))
  const transitions = asNumber(spec['leaseTransitions'])
  if (transitions !== undefined && transitions < 0) causes.push(invalidValue('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'))
  return causes
}

/** Faults of an IPAddress: its name is the address in canonical form. */
export function validateIpAddress(object: KubeObject): Cause[] {
  const { name } = object.metadata
  const address = addressOf(name)
  const causes: Cause[] = []
  if (address === undefined || formatIp(address) !== name) causes.push(invalidValue('metadata.name', name, address === undefined ? NOT_AN_ADDRESS : `must be in canonical form (${JSON.stringify(formatIp(address))})`))
  const parent = asObject(asObject(object['spec'])?.['parentRef'])
  if (parent === undefined) causes.push(required('spec.parentRef'))
  else for (const field of ['resource', 'name']) if (parent[field] === undefined) causes.push(required(`spec.parentRef.${field}`))
  return causes
}

/** Faults of a ServiceCIDR. */
export function validateServiceCidr(object: KubeObject): Cause[] {
  const ranges = asArray(asObject(object['spec'])?.['cidrs'])
  if (ranges.length === 0) return [required('spec.cidrs', 'at least one CIDR required')]
  if (ranges.length > 2) return [invalidValue('spec.cidrs', [...ranges], 'may only hold up to 2 values')]
  return ranges.flatMap((value, index) => (networkOf(value) === undefined ? [invalidValue(`spec.cidrs[${index}]`, value, NOT_A_NETWORK)] : []))
}

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix']

/** Faults of an Ingress. */
export function validateIngress(ingress: KubeObject): Cause[] {
  const spec = asObject(ingress['spec']) ?? {}
  const rules = objectsIn(spec['rules'])
  const causes: Cause[] = []
  if (rules.length === 0 && spec['defaultBackend'] === undefined) causes.push(invalidValue('spec', null, 'either `defaultBackend` or `rules` must be specified'))
  for (const [index, rule] of rules.entries()) {
    for (const [position, path] of objectsIn(asObject(rule['http'])?.['paths']).entries()) {
      const at = `spec.rules[${index}].http.paths[${position}]`
      if (path['pathType'] === undefined) causes.push(required(`${at}.pathType`, 'pathType must be specified'))
      else if (!PATH_TYPES.includes(asText(path['pathType'])!)) causes.push(notSupported(`${at}.pathType`, path['pathType'], PATH_TYPES))
      if (path['backend'] === undefined) causes.push(required(`${at}.backend`))
    }
  }
  return causes
}

/** Faults of an Event: it belongs to the namespace of what it is about. */
export function validateEvent(event: KubeObject): Cause[] {
  const about = asObject(event['involvedObject']) ?? ({})
  const namespace = asText(about['namespace']) ?? ''
  if (namespace === '' ? event.metadata.namespace === 'default' || event.metadata.namespace === 'kube-system' : namespace === event.metadata.namespace) return []
  return [invalidValue('involvedObject.namespace', namespace, 'does not match event.namespace')]
}

/** Faults of a role binding. */
export function validateRoleBinding(object: KubeObject, old: KubeObject | undefined): Cause[] {
  const role = asObject(object['roleRef'])
  if (role === undefined || asText(role['name']) === undefined) return [required('roleRef.name')]
  if (old !== undefined && !equalJson(old['roleRef'], role)) return [invalidValue('roleRef', role, 'cannot change roleRef')]
  return []
}
