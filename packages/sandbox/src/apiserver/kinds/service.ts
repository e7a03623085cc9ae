import { asArray, asNumber, asObject, asText, asTextMap, equalJson, memberObject, objectsIn, wordOf, type JsonObject, type KubeObject } from '../json.ts'
import type { Cause } from '../status.ts'
import { addressOf, endpointAddressFaults, networkOf, NOT_A_NETWORK, NOT_AN_ADDRESS } from '../validation/address.ts'
import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../validation/field.ts'
import { labelFault, labelValueFault, qualifiedNameFault, subdomainFault } from '../validation/name.ts'
import { portNumberFaults, portReferenceFaults, protocolFaults } from '../validation/port.ts'

/** Fills a Service; addresses and node ports are given by the allocator. */
export function defaultService(service: KubeObject): void {
  const spec = asObject(service['spec'])
  if (spec === undefined) return
  spec['type'] ??= 'ClusterIP'
  spec['sessionAffinity'] ??= 'None'
  if (spec['sessionAffinity'] === 'ClientIP') {
    const clientIp = memberObject(memberObject(spec, 'sessionAffinityConfig'), 'clientIP')
    clientIp['timeoutSeconds'] ??= 10_800
  } else delete spec['sessionAffinityConfig']
  for (const port of objectsIn(spec['ports'])) {
    port['protocol'] ??= 'TCP'
    if (port['targetPort'] === undefined || port['targetPort'] === '' || port['targetPort'] === 0) port['targetPort'] = port['port']
  }
  const isExternal = spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer' || asArray(spec['externalIPs']).length > 0
  if (isExternal) spec['externalTrafficPolicy'] ??= 'Cluster'
  if (spec['type'] !== 'ExternalName') spec['internalTrafficPolicy'] ??= 'Cluster'
  if (spec['type'] === 'LoadBalancer' && spec['allocateLoadBalancerNodePorts'] === undefined) spec['allocateLoadBalancerNodePorts'] = true
  service['status'] ??= { loadBalancer: {} }
}

const ENUMERATIONS: Readonly<Record<string, readonly string[]>> = {
  type: ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'],
  sessionAffinity: ['ClientIP', 'None'],
  externalTrafficPolicy: ['Cluster', 'Local'],
  internalTrafficPolicy: ['Cluster', 'Local'],
  ipFamilyPolicy: ['SingleStack', 'PreferDualStack', 'RequireDualStack'],
  trafficDistribution: ['PreferClose', 'PreferSameZone', 'PreferSameNode'],
}

/** Faults of a Service. */
export function validateService(service: KubeObject, old: KubeObject | undefined): Cause[] {
  const spec = asObject(service['spec'])
  if (spec === undefined) return [required('spec')]
  const causes: Cause[] = []
  for (const [name, supported] of Object.entries(ENUMERATIONS)) {
    if (spec[name] !== undefined && !supported.includes(wordOf(spec[name]))) causes.push(notSupported(`spec.${name}`, spec[name], supported))
  }
  causes.push(...selectorFaults(spec), ...servicePortFaults(spec), ...addressFaults(spec))
  if (spec['type'] === 'ExternalName') {
    const name = asText(spec['externalName']) ?? ''
    const fault = subdomainFault(name.replace(/\.$/u, ''))
    if (name === '') causes.push(required('spec.externalName'))
    else if (fault !== undefined) causes.push(invalidValue('spec.externalName', name, fault))
  }
  const timeout = asNumber(asObject(asObject(spec['sessionAffinityConfig'])?.['clientIP'])?.['timeoutSeconds'])
  if (timeout !== undefined && (timeout <= 0 || timeout > 86_400)) causes.push(invalidValue('spec.sessionAffinityConfig.clientIP.timeoutSeconds', timeout, 'must be greater than 0 and less than or equal to 86400'))
  if (old !== undefined) causes.push(...changeFaults(spec, asObject(old['spec']) ?? {}))
  return causes
}

function selectorFaults(spec: JsonObject): Cause[] {
  const causes: Cause[] = []
  for (const [key, value] of Object.entries(asTextMap(spec['selector']))) {
    const keyFault = qualifiedNameFault(key)
    if (keyFault !== undefined) causes.push(invalidValue('spec.selector', key, keyFault))
    const valueFault = labelValueFault(value)
    if (valueFault !== undefined) causes.push(invalidValue('spec.selector', value, valueFault))
  }
  return causes
}

function servicePortFaults(spec: JsonObject): Cause[] {
  const causes: Cause[] = []
  const ports = objectsIn(spec['ports'])
  const isHeadless = spec['clusterIP'] === 'None'
  if (ports.length === 0 && !isHeadless && spec['type'] !== 'ExternalName') causes.push(required('spec.ports'))
  const names = new Set<string>()
  const numbers = new Set<string>()
  const nodePorts = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`
    const name = asText(port['name']) ?? ''
    const fault = name === '' ? undefined : labelFault(name)
    if (name === '' && ports.length > 1) causes.push(required(`${at}.name`))
    else if (fault !== undefined) causes.push(invalidValue(`${at}.name`, name, fault))
    else if (name !== '' && names.has(name)) causes.push(duplicate(`${at}.name`, name))
    names.add(name)
    causes.push(...portNumberFaults(port['port'], `${at}.port`), ...protocolFaults(port['protocol'], `${at}.protocol`), ...portReferenceFaults(port['targetPort'], `${at}.targetPort`))
    const number = `${wordOf(port['port'])}/${wordOf(port['protocol'])}`
    if (numbers.has(number)) causes.push(duplicate(at, { port: port['port'], protocol: port['protocol'] }))
    numbers.add(number)
    if (port['nodePort'] === undefined) continue
    const nodePort = `${wordOf(port['nodePort'])}/${wordOf(port['protocol'])}`
    if (spec['type'] === 'ClusterIP' || spec['type'] === 'ExternalName') causes.push(forbiddenField(`${at}.nodePort`, "may not be used when `type` is 'ClusterIP'"))
    else if (nodePorts.has(nodePort)) causes.push(duplicate(`${at}.nodePort`, port['nodePort']))
    nodePorts.add(nodePort)
  }
  return causes
}

function addressFaults(spec: JsonObject): Cause[] {
  const causes: Cause[] = []
  const clusterIps = asArray(spec['clusterIPs'])
  if (spec['type'] === 'ExternalName' && clusterIps.length > 0) causes.push(forbiddenField('spec.clusterIPs', 'may not be set when `type` is \'ExternalName\''))
  for (const [index, value] of clusterIps.entries()) {
    if (value === 'None') {
      if (spec['type'] !== 'ClusterIP') causes.push(invalidValue(`spec.clusterIPs[${index}]`, value, `may not be set to 'None' for ${asText(spec['type']) ?? ''} services`))
    } else if (addressOf(value) === undefined) causes.push(invalidValue(`spec.clusterIPs[${index}]`, value, NOT_AN_ADDRESS))
  }
  if (clusterIps.length > 0 && spec['clusterIP'] !== clusterIps[0]) causes.push(invalidValue('spec.clusterIPs', [...clusterIps], 'first value must match `clusterIP`'))
  const families = asArray(spec['ipFamilies'])
  for (const [index, value] of families.entries()) {
    if (value !== 'IPv4' && value !== 'IPv6') causes.push(notSupported(`spec.ipFamilies[${index}]`, value, ['IPv4', 'IPv6']))
    else if (families.indexOf(value) !== index) causes.push(duplicate(`spec.ipFamilies[${index}]`, value))
  }
  for (const [index, value] of asArray(spec['externalIPs']).entries()) causes.push(...endpointAddressFaults(value, `spec.externalIPs[${index}]`))
  for (const [index, value] of asArray(spec['loadBalancerSourceRanges']).entries()) {
    if (networkOf(asText(value)?.trim()) === undefined) causes.push(invalidValue(`spec.loadBalancerSourceRanges[${index}]`, value, NOT_A_NETWORK))
  }
  if (asArray(spec['loadBalancerSourceRanges']).length > 0 && spec['type'] !== 'LoadBalancer') causes.push(forbiddenField('spec.loadBalancerSourceRanges', "may only be used when `type` is 'LoadBalancer'"))
  return causes
}

function changeFaults(spec: JsonObject, old: JsonObject): Cause[] {
  const needsAddress = (value: JsonObject): boolean => value['type'] !== 'ExternalName'
  if (!needsAddress(spec) || !needsAddress(old)) return []
  const before = asArray(old['clusterIPs'])
  const now = asArray(spec['clusterIPs'])
  // The second address may come and go with the family policy, the first never.
  if (before.length > 0 && !equalJson(before[0], now[0])) return [invalidValue('spec.clusterIPs[0]', [...now], 'may not change once set')]
  if (before.length > 1 && now.length > 1 && !equalJson(before[1], now[1])) return [invalidValue('spec.clusterIPs[1]', [...now], 'may not change once set')]
  return []
}
