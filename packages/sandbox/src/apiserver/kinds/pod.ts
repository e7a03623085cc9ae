import { asArray, asNumber, asObject, asText, cloneJson, equalJson, objectsIn, wordOf, type JsonObject, type KubeObject } from '../json.ts'
import type { Cause } from '../status.ts'
import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../validation/field.ts'
import { labelFault, portNameFault, subdomainFault } from '../validation/name.ts'
import { portNumberFaults, protocolFaults } from '../validation/port.ts'

/** Fills a pod as Kubernetes does, the ServiceAccount admission included. */
export function defaultPod(pod: KubeObject, old: KubeObject | undefined): void {
  const spec = asObject(pod['spec'])
  if (spec === undefined) return
  defaultPodSpec(spec)
  spec['serviceAccountName'] ??= 'default'
  spec['serviceAccount'] ??= spec['serviceAccountName']
  if (old === undefined) pod['status'] = { phase: 'Pending', qosClass: 'BestEffort', ...asObject(pod['status']) }
}

/** Fills the spec of a pod or of a template. */
export function defaultPodSpec(spec: JsonObject): void {
  spec['restartPolicy'] ??= 'Always'
  spec['dnsPolicy'] ??= 'ClusterFirst'
  spec['terminationGracePeriodSeconds'] ??= 30
  spec['schedulerName'] ??= 'default-scheduler'
  spec['securityContext'] ??= {}
  if (spec['enableServiceLinks'] === undefined) spec['enableServiceLinks'] = true
  for (const list of ['containers', 'initContainers']) {
    for (const container of objectsIn(spec[list])) defaultContainer(container, spec['hostNetwork'] === true)
  }
}

function defaultContainer(container: JsonObject, hostNetwork: boolean): void {
  container['terminationMessagePath'] ??= '/dev/termination-log'
  container['terminationMessagePolicy'] ??= 'File'
  container['resources'] ??= {}
  const image = asText(container['image']) ?? ''
  const tag = /:([^/:@]+)$/u.exec(image)?.[1]
  container['imagePullPolicy'] ??= image.includes('@') || (tag !== undefined && tag !== 'latest') ? 'IfNotPresent' : 'Always'
  for (const port of objectsIn(container['ports'])) {
    port['protocol'] ??= 'TCP'
    if (hostNetwork) port['hostPort'] ??= port['containerPort']
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = asObject(container[name])
    if (probe === undefined) continue
    probe['timeoutSeconds'] ??= 1
    probe['periodSeconds'] ??= 10
    probe['successThreshold'] ??= 1
    probe['failureThreshold'] ??= 3
    const http = asObject(probe['httpGet'])
    if (http === undefined) continue
    http['path'] ??= '/'
    http['scheme'] ??= 'HTTP'
  }
}

/** Faults of a pod; of an update also what may not change. */
export function validatePod(pod: KubeObject, old: KubeObject | undefined): Cause[] {
  const spec = asObject(pod['spec'])
  if (spec === undefined) return [required('spec')]
  const causes = podSpecFaults(spec, 'spec')
  const oldSpec = asObject(old?.['spec'])
  if (oldSpec !== undefined && !equalJson(fixedPart(spec, oldSpec), fixedPart(oldSpec, oldSpec))) {
    causes.push(forbiddenField('spec', 'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'))
  }
  return causes
}

/** What of a pod's spec must stay; a pod that has no node yet may get one. */
function fixedPart(spec: JsonObject, old: JsonObject): JsonObject {
  const fixed = cloneJson(spec)
  for (const name of ['activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds', 'schedulingGates', 'ephemeralContainers']) delete fixed[name]
  if (old['nodeName'] === undefined) delete fixed['nodeName']
  for (const list of ['containers', 'initContainers']) {
    for (const container of objectsIn(fixed[list])) delete container['image']
  }
  return fixed
}

/** Faults of a pod's spec. @param field Where it stands, e.g. `spec.template.spec`. */
export function podSpecFaults(spec: JsonObject, field: string): Cause[] {
  const causes: Cause[] = []
  const containers = objectsIn(spec['containers'])
  if (containers.length === 0) causes.push(required(`${field}.containers`))
  const names = new Set<string>()
  for (const [index, container] of objectsIn(spec['initContainers']).entries()) causes.push(...containerFaults(container, `${field}.initContainers[${index}]`, names))
  for (const [index, container] of containers.entries()) causes.push(...containerFaults(container, `${field}.containers[${index}]`, names))
  causes.push(...volumeFaults(spec, field))
  const enumerations: Readonly<Record<string, readonly string[]>> = {
    restartPolicy: ['Always', 'OnFailure', 'Never'],
    dnsPolicy: ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'],
  }
  for (const [name, supported] of Object.entries(enumerations)) {
    if (!supported.includes(asText(spec[name]) ?? '')) causes.push(notSupported(`${field}.${name}`, spec[name], supported))
  }
  for (const name of ['hostname', 'subdomain']) {
    const fault = spec[name] === undefined ? undefined : labelFault(wordOf(spec[name]))
    if (fault !== undefined) causes.push(invalidValue(`${field}.${name}`, spec[name], fault))
  }
  const nodeFault = spec['nodeName'] === undefined ? undefined : subdomainFault(wordOf(spec['nodeName']))
  if (nodeFault !== undefined) causes.push(invalidValue(`${field}.nodeName`, spec['nodeName'], nodeFault))
  if ((asNumber(spec['terminationGracePeriodSeconds']) ?? 0) < 0) causes.push(invalidValue(`${field}.terminationGracePeriodSeconds`, spec['terminationGracePeriodSeconds'], 'must be greater than or equal to 0'))
  if (spec['dnsPolicy'] === 'None' && asArray(asObject(spec['dnsConfig'])?.['nameservers']).length === 0) {
    causes.push(required(`${field}.dnsConfig.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'))
  }
  return causes
}

function containerFaults(container: JsonObject, field: string, names: Set<string>): Cause[] {
  const causes: Cause[] = []
  const name = asText(container['name']) ?? ''
  const fault = name === '' ? undefined : labelFault(name)
  if (name === '') causes.push(required(`${field}.name`))
  else if (fault !== undefined) causes.push(invalidValue(`${field}.name`, name, fault))
  else if (names.has(name)) causes.push(duplicate(`${field}.name`, name))
  names.add(name)
  if ((asText(container['image']) ?? '') === '') causes.push(required(`${field}.image`))
  const portNames = new Set<string>()
  for (const [index, port] of objectsIn(container['ports']).entries()) {
    const at = `${field}.ports[${index}]`
    if (port['containerPort'] === undefined) causes.push(required(`${at}.containerPort`))
    else causes.push(...portNumberFaults(port['containerPort'], `${at}.containerPort`))
    if (port['hostPort'] !== undefined) causes.push(...portNumberFaults(port['hostPort'], `${at}.hostPort`))
    causes.push(...protocolFaults(port['protocol'], `${at}.protocol`))
    const portName = asText(port['name'])
    if (portName === undefined) continue
    const nameFault = portNameFault(portName)
    if (nameFault !== undefined) causes.push(invalidValue(`${at}.name`, portName, nameFault))
    else if (portNames.has(portName)) causes.push(duplicate(`${at}.name`, portName))
    portNames.add(portName)
  }
  return causes
}

function volumeFaults(spec: JsonObject, field: string): Cause[] {
  const causes: Cause[] = []
  const names = new Set<string>()
  for (const [index, volume] of objectsIn(spec['volumes']).entries()) {
    const name = asText(volume['name']) ?? ''
    const fault = labelFault(name)
    if (name === '') causes.push(required(`${field}.volumes[${index}].name`))
    else if (fault !== undefined) causes.push(invalidValue(`${field}.volumes[${index}].name`, name, fault))
    else if (names.has(name)) causes.push(duplicate(`${field}.volumes[${index}].name`, name))
    names.add(name)
  }
  for (const list of ['initContainers', 'containers']) {
    for (const [index, container] of objectsIn(spec[list]).entries()) {
      for (const [mountIndex, mount] of objectsIn(container['volumeMounts']).entries()) {
        if (names.has(asText(mount['name']) ?? '')) continue
        const cause: Cause = { reason: 'FieldValueNotFound', message: `Not found: ${JSON.stringify(mount['name'])}`, field: `${field}.${list}[${index}].volumeMounts[${mountIndex}].name` }
        causes.push(cause)
      }
    }
  }
  return causes
}
