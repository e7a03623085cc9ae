import { formatIp, type Cidr } from '@weft/ip'
import { asArray, asNumber, asText, objectsIn, type JsonObject, type KubeObject } from '../json.ts'
import { invalid, type Cause } from '../status.ts'
import type { ObjectStore } from '../store.ts'
import { addressOf, NOT_AN_ADDRESS } from '../validation/address.ts'
import { invalidValue } from '../validation/field.ts'
import type { AdmissionRequest } from '../verbs/context.ts'
import { AddressRange } from './address-range.ts'
import { NodePortRange } from './node-ports.ts'
import { chooseFamilies, familyName, followPolicyChange, specOf } from './service-families.ts'

/** Gives Services their cluster addresses and node ports inside the write that makes them, so two can never get the same. */
export class ServiceAddresses {
  readonly #ranges: readonly AddressRange[]
  readonly #nodePorts: NodePortRange

  /**
   * @param options.ranges One range per family, the primary one first.
   * @param options.nodePorts Lowest and highest node port.
   */
  constructor(store: ObjectStore, options: { ranges: readonly Cidr[], nodePorts: readonly [number, number] }) {
    this.#ranges = options.ranges.map(cidr => new AddressRange(cidr))
    this.#nodePorts = new NodePortRange(...options.nodePorts)
    for (const { object } of store.list('services')) this.#count(object, 'take')
    store.subscribe(({ before, now, kind }) => {
      if (before !== undefined) this.#count(before.object, 'release')
      if (kind !== 'deleted') this.#count(now.object, 'take')
    }, 'services')
  }

  #count(service: KubeObject, what: 'take' | 'release'): void {
    const spec = specOf(service)
    for (const value of asArray(spec['clusterIPs'])) {
      const address = addressOf(value)
      const range = address === undefined ? undefined : this.#ranges.find(candidate => candidate.cidr.family === address.family)
      if (address !== undefined) range?.[what](formatIp(address))
    }
    for (const port of nodePortsOf(spec)) this.#nodePorts[what](port)
  }

  /** Fills a Service. @throws {ApiError} 422 when what it asks for is taken or outside the ranges. */
  admit({ kind, object, old }: AdmissionRequest): void {
    if (kind.storage !== 'services') return
    const spec = specOf(object)
    const oldSpec = old === undefined ? undefined : specOf(old)
    if (oldSpec !== undefined) keepAllocated(spec, oldSpec)
    const causes = spec['type'] === 'ExternalName' ? dropAddresses(spec) : this.#allocateAddresses(spec, oldSpec)
    if (causes.length === 0) causes.push(...this.#nodePorts.assign(spec, oldSpec === undefined ? [] : nodePortsOf(oldSpec)))
    if (causes.length > 0) throw invalid(kind, object.metadata.name, causes)
  }

  #allocateAddresses(spec: JsonObject, old: JsonObject | undefined): Cause[] {
    const [first] = asArray(spec['clusterIPs'])
    if (asText(spec['clusterIP']) === undefined && first !== undefined) spec['clusterIP'] = first
    if (asText(spec['clusterIP']) !== undefined && first === undefined) spec['clusterIPs'] = [spec['clusterIP']!]
    const causes = chooseFamilies(spec, this.#ranges.map(range => familyName(range.cidr.family)))
    if (causes.length > 0 || spec['clusterIP'] === 'None') return causes
    const asked = asArray(spec['clusterIPs'])
    const kept = asArray(old?.['clusterIPs'])
    const addresses: string[] = []
    for (const [index, family] of asArray(spec['ipFamilies']).entries()) {
      const range = this.#ranges.find(candidate => familyName(candidate.cidr.family) === family)!
      const wanted = asText(asked[index])
      const fault = wanted === undefined || kept.includes(wanted) ? undefined : rangeFault(range, wanted)
      if (fault !== undefined) return [invalidValue('spec.clusterIPs', [...asked], fault)]
      const address = wanted ?? range.findFree()
      if (address === undefined) return [{ reason: 'InternalError', message: `Internal error: failed to allocate a serviceIP: range is full`, field: 'spec.clusterIPs' }]
      addresses.push(address)
    }
    spec['clusterIPs'] = addresses
    spec['clusterIP'] = addresses[0]
    return []
  }
}

function rangeFault(range: AddressRange, text: string): string | undefined {
  const address = addressOf(text)
  if (address === undefined) return NOT_AN_ADDRESS
  if (!range.contains(address)) return `failed to allocate IP ${text}: the provided IP (${text}) is not in the valid range. The range of valid IPs is ${range.text}`
  return range.isUsed(address) ? `failed to allocate IP ${text}: provided IP is already allocated` : undefined
}

/** Clients that replace a Service often leave out what was allocated for it. */
function keepAllocated(spec: JsonObject, old: JsonObject): void {
  if (spec['type'] === 'ExternalName' || old['type'] === 'ExternalName') return
  // Old clients know only the single field: the list follows it.
  if (spec['clusterIP'] !== undefined && spec['clusterIP'] !== old['clusterIP']) spec['clusterIPs'] ??= [spec['clusterIP']]
  for (const name of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) if (spec[name] === undefined && old[name] !== undefined) spec[name] = old[name]
  followPolicyChange(spec, old)
  if (spec['type'] === 'ClusterIP') return
  for (const port of objectsIn(spec['ports'])) {
    const before = objectsIn(old['ports']).find(candidate => candidate['port'] === port['port'] && candidate['protocol'] === port['protocol'])
    if (port['nodePort'] === undefined && before?.['nodePort'] !== undefined) port['nodePort'] = before['nodePort']
  }
}

function dropAddresses(spec: JsonObject): Cause[] {
  for (const name of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) delete spec[name]
  return []
}

function nodePortsOf(spec: JsonObject): number[] {
  const ports = [...objectsIn(spec['ports']).map(port => port['nodePort']), spec['healthCheckNodePort']].map(port => asNumber(port) ?? 0)
  return [...new Set(ports)].filter(port => port !== 0)
}
