import { cidrContains } from '@weft/ip'
import { asArray, asNumber, asObject, asText, objectsIn, type JsonObject, type KubeObject } from '../json.ts'
import type { Cause } from '../status.ts'
import { networkOf, NOT_A_NETWORK } from '../validation/address.ts'
import { forbiddenField, invalidValue, notSupported, required } from '../validation/field.ts'
import { labelSelectorFaults } from '../validation/metadata.ts'
import { portReferenceFaults, protocolFaults } from '../validation/port.ts'

/** Fills a NetworkPolicy: protocols, and the policy types that its rules imply. */
export function defaultNetworkPolicy(policy: KubeObject): void {
  const spec = asObject(policy['spec'])
  if (spec === undefined) return
  spec['podSelector'] ??= {}
  for (const direction of ['ingress', 'egress']) {
    for (const rule of objectsIn(spec[direction])) for (const port of objectsIn(rule['ports'])) port['protocol'] ??= 'TCP'
  }
  if (asArray(spec['policyTypes']).length === 0) spec['policyTypes'] = objectsIn(spec['egress']).length > 0 ? ['Ingress', 'Egress'] : ['Ingress']
}

/** Faults of a NetworkPolicy. */
export function validateNetworkPolicy(policy: KubeObject): Cause[] {
  const spec = asObject(policy['spec'])
  if (spec === undefined) return [required('spec')]
  const causes = labelSelectorFaults(asObject(spec['podSelector']) ?? {}, 'spec.podSelector')
  for (const [direction, peers] of [['ingress', 'from'], ['egress', 'to']] as const) {
    for (const [index, rule] of objectsIn(spec[direction]).entries()) {
      const at = `spec.${direction}[${index}]`
      for (const [position, port] of objectsIn(rule['ports']).entries()) causes.push(...portFaults(port, `${at}.ports[${position}]`))
      for (const [position, peer] of objectsIn(rule[peers]).entries()) causes.push(...peerFaults(peer, `${at}.${peers}[${position}]`))
    }
  }
  const types = asArray(spec['policyTypes'])
  if (types.length > 2) causes.push(invalidValue('spec.policyTypes', [...types], 'may not specify more than two policyTypes'))
  for (const [index, type] of types.entries()) {
    if (type !== 'Ingress' && type !== 'Egress') causes.push(notSupported(`spec.policyTypes[${index}]`, type, ['Ingress', 'Egress']))
  }
  return causes
}

function portFaults(port: JsonObject, field: string): Cause[] {
  const causes = protocolFaults(port['protocol'], `${field}.protocol`)
  const number = port['port']
  if (number !== undefined) causes.push(...portReferenceFaults(number, `${field}.port`))
  const end = asNumber(port['endPort'])
  if (end === undefined) return causes
  if (number === undefined) causes.push(required(`${field}.port`, 'may not be specified when `endPort` is specified'))
  else if (typeof number !== 'number') causes.push(invalidValue(`${field}.endPort`, end, 'may not be specified when `port` is non-numeric'))
  else if (end < number) causes.push(invalidValue(`${field}.endPort`, end, 'must be greater than or equal to `port`'))
  if (end > 65535) causes.push(invalidValue(`${field}.endPort`, end, 'must be between 1 and 65535, inclusive'))
  return causes
}

function peerFaults(peer: JsonObject, field: string): Cause[] {
  const causes: Cause[] = []
  const block = asObject(peer['ipBlock'])
  const selectors = ['podSelector', 'namespaceSelector'].filter(name => peer[name] !== undefined)
  for (const name of selectors) causes.push(...labelSelectorFaults(asObject(peer[name]) ?? {}, `${field}.${name}`))
  if (block === undefined) return selectors.length > 0 ? causes : [required(field, 'must specify a peer')]
  if (selectors.length > 0) causes.push(forbiddenField(field, 'may not specify both ipBlock and another peer'))
  const network = networkOf(block['cidr'])
  if ((asText(block['cidr']) ?? '') === '') causes.push(required(`${field}.ipBlock.cidr`))
  else if (network === undefined) causes.push(invalidValue(`${field}.ipBlock.cidr`, block['cidr'], NOT_A_NETWORK))
  for (const [index, value] of asArray(block['except']).entries()) {
    const at = `${field}.ipBlock.except[${index}]`
    const exception = networkOf(value)
    if (exception === undefined) causes.push(invalidValue(at, value, NOT_A_NETWORK))
    else if (network !== undefined && (exception.family !== network.family || !cidrContains(network, exception) || exception.prefix === network.prefix)) {
      causes.push(invalidValue(at, value, 'must be a strict subset of `cidr`'))
    }
  }
  return causes
}
