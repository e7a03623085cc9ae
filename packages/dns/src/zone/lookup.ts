import type { IpAddress } from '@weft/ip'
import { nameServerName } from '../compile.ts'
import { rcodes, rrTypes } from '../wire/codes.ts'
import { type Name, nameBelow } from '../wire/name.ts'
import type { FoldedName } from '../wire/query-view.ts'
import type { ResourceRecord } from '../wire/record.ts'
import { type Alias, type Answer, emptyAnswer, encodeAnswer, inRecord } from './answer.ts'
import { labelBytes } from './label.ts'
import type { LiveService, LiveZone } from './live-zone.ts'
import { anyAnswer } from './negative-answer.ts'
import { noRecords, type NodeRecords } from './node-records.ts'
import { addressOfLabel } from './pod-name.ts'
import { addressKey, addressOfReverse } from './reverse-name.ts'
import { pointerTarget } from './service-zone.ts'
import { soaOf } from './soa.ts'
import { schemaTtlSeconds, schemaVersion } from './zone-file.ts'

/** The cluster is not known well enough yet to deny anything (DNS-57). */
const notSynced: Answer = { ...emptyAnswer, rcode: rcodes.SERVFAIL, authoritative: false }

/**
 * What the zone says to a question of class IN.
 *
 * @returns An answer to copy at once (it may be reused by the next lookup), an alias to follow, or undefined when the
 *   name is not ours and somebody else is to be asked.
 */
export function lookup(zone: LiveZone, name: FoldedName, type: number): Answer | Alias | undefined {
  const origin = zone.options.origin
  const zoneLabels = zoneLabelCount(origin)
  const left = name.labelCount - zoneLabels
  if (left >= 0 && endsWith(name, left, origin)) {
    return inCluster(zone, { name, type, left, zoneOffset: left === name.labelCount ? name.length - 1 : name.labels[left]! })
  }
  return name.labelCount > 1 && endsWith(name, name.labelCount - 1, arpa) ? inReverse(zone, name, type) : undefined
}

interface Question {
  readonly name: FoldedName
  readonly type: number
  /** Labels left of the zone's name. */
  readonly left: number
  /** Where the zone's name starts inside the name asked for. */
  readonly zoneOffset: number
}

function inCluster(zone: LiveZone, question: Question): Answer | Alias {
  const { left, name, type, zoneOffset } = question
  if (left === 0) return atApex(zone, type)
  switch (labelText(name, left - 1)) {
    case 'svc':
      return inServices(zone, question)
    case 'pod':
      return inPods(zone, question)
    case 'dns-version':
      if (left > 1) return zone.negative.nxdomain(zoneOffset)
      return orNoData(zone, question, type === rrTypes.TXT ? versionAnswer(zone) : undefined)
    case 'dns':
      // `dns` itself exists for the sake of `ns.dns` (RFC 8020).
      if (left === 1) return orNoData(zone, question, undefined)
      if (left === 2 && labelText(name, 0) === 'ns') return orNoData(zone, question, nameServerAnswer(zone, type))
      return zone.negative.nxdomain(zoneOffset)
    default:
      // Names outside the grammar cannot come to exist: they may be denied before everything is known.
      return zone.negative.nxdomain(zoneOffset)
  }
}

function inServices(zone: LiveZone, question: Question): Answer | Alias {
  const { left, name, type, zoneOffset } = question
  if (left >= 3) {
    const { bytes, labels } = name
    const start = labels[left - 3]!
    const service = zone.service(bytes.toString('latin1', start, labels[left - 1]))
    if (service !== undefined) {
      const node = service.zone.nodes.get(start === 0 ? '' : bytes.toString('latin1', 0, start))
      if (node !== undefined) {
        return answerOf(zone, service, { node, type, name }) ?? (zone.synced ? orNoData(zone, question, undefined) : notSynced)
      }
    }
  }
  if (!zone.synced) return notSynced
  // `svc` and `<namespace>.svc` exist without records of their own (DNS-38).
  const exists = left === 1 || (left === 2 && zone.hasNamespace(labelText(name, 0)))
  return exists ? orNoData(zone, question, undefined) : zone.negative.nxdomain(zoneOffset)
}

function inPods(zone: LiveZone, question: Question): Answer {
  const { left, name, type, zoneOffset } = question
  const { pods, ttlSeconds } = zone.options
  if (pods === 'disabled' || left > 3) return zone.negative.nxdomain(zoneOffset)
  if (!zone.synced) return notSynced
  if (left === 1) return orNoData(zone, question, undefined)
  const namespace = labelText(name, left - 2)
  if (!zone.hasNamespace(namespace)) return zone.negative.nxdomain(zoneOffset)
  if (left === 2) return orNoData(zone, question, undefined)
  const address = addressOfLabel(labelText(name, 0))
  if (address === undefined || (pods === 'verified' && !zone.hasPod(namespace, addressKey(address)))) return zone.negative.nxdomain(zoneOffset)
  if (type !== (address.family === 4 ? rrTypes.A : rrTypes.AAAA)) return orNoData(zone, question, undefined)
  const owner = ownerOf(name)
  return encodeAnswer(owner, { answers: [addressRecord(owner, ttlSeconds, address)] })
}

function inReverse(zone: LiveZone, name: FoldedName, type: number): Answer | undefined {
  const texts = Array.from({ length: name.labelCount - 1 }, (_, index) => labelText(name, index))
  const address = addressOfReverse(texts)
  const pointers = address === undefined ? [] : zone.pointers.get(address)
  const own = zone.options.reverseZones.find((candidate) => endsWith(name, name.labelCount - zoneLabelCount(candidate), candidate))
  // Outside the configured ranges the answer stands under in-addr.arpa or ip6.arpa itself, as with CoreDNS.
  const zoneOffset = own === undefined ? name.labels[name.labelCount - 2]! : name.length - own.length
  if (pointers.length > 0) {
    if (type !== rrTypes.PTR) return type === rrTypes.ANY ? anyAnswer : zone.negative.nodata(zoneOffset)
    const owner = ownerOf(name)
    return encodeAnswer(owner, { answers: pointers.map((pointer) => inRecord(owner, zone.options.ttlSeconds, { type: 'PTR', target: pointerTarget(pointer, zone.options.origin) })) })
  }
  if (!zone.synced && (own !== undefined || address !== undefined)) return notSynced
  if (own === undefined) return undefined
  if (zoneOffset === 0 && type === rrTypes.SOA) return encodeAnswer(own, { answers: [soaRecord(zone, own)] })
  if (zoneOffset === 0 && type === rrTypes.NS) return encodeAnswer(own, { answers: [inRecord(own, zone.options.ttlSeconds, { type: 'NS', target: nameServerName(zone.options.origin) })] })
  // Names with fewer digits stand above addresses: they exist.
  const whole = texts.at(-1) === 'in-addr' ? 5 : 33
  const above = texts.length < whole && texts.slice(0, -1).every((text) => /^[\da-f]{1,3}$/.test(text))
  return above ? zone.negative.nodata(zoneOffset) : zone.negative.nxdomain(zoneOffset)
}

function atApex(zone: LiveZone, type: number): Answer {
  const { origin, ttlSeconds } = zone.options
  switch (type) {
    case rrTypes.SOA:
      return encodeAnswer(origin, { answers: [soaRecord(zone, origin)] })
    case rrTypes.NS: {
      const target = nameServerName(origin)
      const additionals = nameServerAddresses(zone).map((address) => addressRecord(target, ttlSeconds, address))
      return encodeAnswer(origin, { answers: [inRecord(origin, ttlSeconds, { type: 'NS', target })], additionals })
    }
    case rrTypes.ANY:
      return anyAnswer
    default:
      return zone.negative.nodata(0)
  }
}

/** The kept answer of a node, made at the first question; undefined when it has nothing of that type. */
function answerOf(zone: LiveZone, service: LiveService, { name, node, type }: { node: NodeRecords, type: number, name: FoldedName }): Answer | Alias | undefined {
  let answers = service.answers?.get(node)
  const known = answers?.get(type)
  if (known !== undefined) return known
  if (node.alias !== undefined && type !== rrTypes.CNAME) {
    // Only addresses are worth following: other types at an alias have nothing (DNS-52).
    return type === rrTypes.A || type === rrTypes.AAAA ? { kind: 'alias', owner: ownerOf(name), target: node.alias } : undefined
  }
  const owner = ownerOf(name)
  const records = nodeRecords(node, { owner, type, ttlSeconds: zone.options.ttlSeconds })
  if (records.length === 0) return type === rrTypes.ANY && node !== noRecords ? anyAnswer : undefined
  const answer = encodeAnswer(owner, { answers: records, additionals: type === rrTypes.SRV ? extrasOf(node, zone.options.ttlSeconds) : [] })
  if (answers === undefined) {
    service.answers ??= new Map()
    service.answers.set(node, answers = new Map())
  }
  answers.set(type, answer)
  return answer
}

/** The records of one type at a name. */
function nodeRecords(node: NodeRecords, { owner, ttlSeconds, type }: { readonly owner: Name, readonly type: number, readonly ttlSeconds: number }): ResourceRecord[] {
  switch (type) {
    case rrTypes.A:
      return node.v4.map((address) => addressRecord(owner, ttlSeconds, address))
    case rrTypes.AAAA:
      return node.v6.map((address) => addressRecord(owner, ttlSeconds, address))
    case rrTypes.SRV:
      return node.srv.map(({ port, priority, target, weight }) => inRecord(owner, ttlSeconds, { type: 'SRV', priority, weight, port, target }))
    case rrTypes.CNAME:
      return node.alias === undefined ? [] : [inRecord(owner, ttlSeconds, { type: 'CNAME', target: node.alias })]
    default:
      return []
  }
}

/** Addresses of SRV targets; a target that stands in several records once. */
function extrasOf(node: NodeRecords, ttlSeconds: number): ResourceRecord[] {
  const targets = new Map(node.srv.map((srv) => [srv.target, srv.addresses]))
  return [...targets].flatMap(([target, addresses]) => addresses.map((address) => addressRecord(target, ttlSeconds, address)))
}

export function addressRecord(owner: Name, ttlSeconds: number, address: IpAddress): ResourceRecord {
  return inRecord(owner, ttlSeconds, address.family === 4 ? { type: 'A', address } : { type: 'AAAA', address })
}

function soaRecord(zone: LiveZone, owner: Name): ResourceRecord {
  return inRecord(owner, zone.options.ttlSeconds, soaOf(zone.options, zone.serial))
}

function nameServerAddresses(zone: LiveZone): readonly IpAddress[] {
  const service = zone.serviceByKey(zone.options.nameServer)?.zone.service
  return service === undefined ? [] : service.kind === 'headless' ? service.endpoints.map((endpoint) => endpoint.address) : service.addresses
}

function nameServerAnswer(zone: LiveZone, type: number): Answer | undefined {
  const owner = nameServerName(zone.options.origin)
  const wanted = type === rrTypes.A ? 4 : type === rrTypes.AAAA ? 6 : 0
  const addresses = nameServerAddresses(zone).filter((address) => address.family === wanted)
  return addresses.length === 0 ? undefined : encodeAnswer(owner, { answers: addresses.map((address) => addressRecord(owner, zone.options.ttlSeconds, address)) })
}

function versionAnswer(zone: LiveZone): Answer {
  const owner = nameBelow([labelBytes('dns-version')], zone.options.origin)
  return encodeAnswer(owner, { answers: [inRecord(owner, schemaTtlSeconds, { type: 'TXT', strings: [Buffer.from(schemaVersion)] })] })
}

function orNoData(zone: LiveZone, { type, zoneOffset }: Question, answer: Answer | undefined): Answer {
  return answer ?? (type === rrTypes.ANY ? anyAnswer : zone.negative.nodata(zoneOffset))
}

const arpa = Uint8Array.from([4, 0x61, 0x72, 0x70, 0x61, 0]) as Name

function endsWith(name: FoldedName, label: number, zone: Name): boolean {
  if (label < 0) return false
  const offset = label === name.labelCount ? name.length - 1 : name.labels[label]!
  if (name.length - offset !== zone.length) return false
  for (let at = 0; at < zone.length; at++) {
    if (name.bytes[offset + at] !== zone[at]) return false
  }
  return true
}

const labelCounts = new WeakMap<Name, number>()

function zoneLabelCount(zone: Name): number {
  let count = labelCounts.get(zone)
  if (count !== undefined) return count
  count = 0
  for (let at = 0; zone[at] !== 0; at += zone[at]! + 1) count++
  labelCounts.set(zone, count)
  return count
}

function labelText(name: FoldedName, label: number): string {
  const offset = name.labels[label]!
  return name.bytes.toString('latin1', offset + 1, offset + 1 + name.bytes[offset]!)
}

/** A copy of the name asked for, in lower case. */
function ownerOf(name: FoldedName): Name {
  return Uint8Array.from(name.bytes.subarray(0, name.length)) as Name
}
