import { asArray, asText, equalJson, objectsIn, wordOf, type JsonObject, type KubeObject } from '../json.ts'
import type { Cause } from '../status.ts'
import { endpointAddressFaults } from '../validation/address.ts'
import { duplicate, invalidValue, notSupported, required } from '../validation/field.ts'
import { labelFault, portNameFault, subdomainFault } from '../validation/name.ts'
import { portNumberFaults, protocolFaults } from '../validation/port.ts'

const MAX_ENDPOINTS = 1000
const MAX_ADDRESSES = 100
const MAX_PORTS = 20_000
const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6']

/** Fills an EndpointSlice. */
export function defaultEndpointSlice(slice: KubeObject): void {
  for (const port of objectsIn(slice['ports'])) {
    port['name'] ??= ''
    port['protocol'] ??= 'TCP'
  }
  slice['endpoints'] ??= null
}

/** Faults of an EndpointSlice. */
export function validateEndpointSlice(slice: KubeObject, old: KubeObject | undefined): Cause[] {
  const causes: Cause[] = []
  const type = asText(slice['addressType'])
  if (type === undefined) causes.push(required('addressType'))
  else if (!ADDRESS_TYPES.includes(type)) causes.push(notSupported('addressType', type, ADDRESS_TYPES))
  if (old !== undefined && !equalJson(old['addressType'], slice['addressType'])) causes.push(invalidValue('addressType', slice['addressType'], 'field is immutable'))
  const endpoints = objectsIn(slice['endpoints'])
  if (endpoints.length > MAX_ENDPOINTS) causes.push(tooMany('endpoints', endpoints.length, MAX_ENDPOINTS))
  for (const [index, endpoint] of endpoints.entries()) causes.push(...endpointFaults(endpoint, `endpoints[${index}]`, type))
  causes.push(...portListFaults(objectsIn(slice['ports']), 'ports', { numberNeeded: false }))
  return causes
}

function endpointFaults(endpoint: JsonObject, field: string, type: string | undefined): Cause[] {
  const causes: Cause[] = []
  const addresses = asArray(endpoint['addresses'])
  if (addresses.length === 0) causes.push(required(`${field}.addresses`, 'must contain at least 1 address'))
  if (addresses.length > MAX_ADDRESSES) causes.push(tooMany(`${field}.addresses`, addresses.length, MAX_ADDRESSES))
  for (const [index, value] of addresses.entries()) {
    const at = `${field}.addresses[${index}]`
    if (type === 'IPv4' || type === 'IPv6') causes.push(...endpointAddressFaults(value, at, type === 'IPv4' ? 4 : 6))
    else if (type === 'FQDN') {
      const fault = subdomainFault(wordOf(value))
      if (fault !== undefined) causes.push(invalidValue(at, value, fault))
    }
  }
  const hostname = asText(endpoint['hostname'])
  const fault = hostname === undefined ? undefined : labelFault(hostname)
  if (fault !== undefined) causes.push(invalidValue(`${field}.hostname`, hostname, fault))
  return causes
}

function portListFaults(ports: readonly JsonObject[], field: string, options: { numberNeeded: boolean }): Cause[] {
  const causes: Cause[] = []
  if (ports.length > MAX_PORTS) causes.push(tooMany(field, ports.length, MAX_PORTS))
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const at = `${field}[${index}]`
    const name = asText(port['name']) ?? ''
    const fault = name === '' ? undefined : options.numberNeeded ? labelFault(name) : portNameFault(name)
    if (fault !== undefined) causes.push(invalidValue(`${at}.name`, name, fault))
    if (names.has(name)) causes.push(duplicate(`${at}.name`, name))
    names.add(name)
    causes.push(...protocolFaults(port['protocol'], `${at}.protocol`))
    // A slice's port without a number means all ports.
    if (port['port'] !== undefined || options.numberNeeded) causes.push(...portNumberFaults(port['port'], `${at}.port`))
  }
  return causes
}

/** Fills an Endpoints object. */
export function defaultEndpoints(endpoints: KubeObject): void {
  for (const subset of objectsIn(endpoints['subsets'])) for (const port of objectsIn(subset['ports'])) port['protocol'] ??= 'TCP'
}

/** Faults of an Endpoints object. */
export function validateEndpoints(endpoints: KubeObject): Cause[] {
  const causes: Cause[] = []
  for (const [index, subset] of objectsIn(endpoints['subsets']).entries()) {
    const at = `subsets[${index}]`
    const addresses = [...objectsIn(subset['addresses']), ...objectsIn(subset['notReadyAddresses'])]
    if (addresses.length === 0) causes.push(required(at, 'must specify `addresses` or `notReadyAddresses`'))
    for (const list of ['addresses', 'notReadyAddresses']) {
      for (const [position, address] of objectsIn(subset[list]).entries()) causes.push(...endpointAddressFaults(address['ip'], `${at}.${list}[${position}].ip`))
    }
    causes.push(...portListFaults(objectsIn(subset['ports']), `${at}.ports`, { numberNeeded: true }))
  }
  return causes
}

function tooMany(field: string, got: number, most: number): Cause {
  return { reason: 'FieldValueTooMany', message: `Too many: ${got}: must have at most ${most} items`, field }
}
