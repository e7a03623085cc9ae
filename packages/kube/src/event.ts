import { createHash } from 'node:crypto'
import { isRecord } from './object.ts'

/** The object an Event is about. */
export interface EventTarget {
  readonly apiVersion: string
  readonly kind: string
  /** Empty or absent for cluster-scoped objects, whose Events live in `default`. */
  readonly namespace?: string | undefined
  readonly name: string
  readonly uid?: string | undefined
  readonly resourceVersion?: string | undefined
}

export type EventType = 'Normal' | 'Warning'

export interface EventContent {
  readonly target: EventTarget
  readonly type: EventType
  /** CamelCase word, e.g. `InvalidCidr`. */
  readonly reason: string
  readonly message: string
}

/** Who reports. */
export interface EventSource {
  /** e.g. `weft-agent`. */
  readonly component: string
  /** Node or pod name. */
  readonly host: string
}

/** Limits of the API: longer texts are cut. */
const maxMessage = 1024
const maxReason = 128

/** Reads the target out of an untrimmed object; `fallback` names what list items lack. */
export function targetOf(object: unknown, fallback: { readonly apiVersion: string, readonly kind: string }): EventTarget {
  const root = isRecord(object) ? object : {}
  const metadata = isRecord(root['metadata']) ? root['metadata'] : {}
  return {
    apiVersion: text(root['apiVersion']) || fallback.apiVersion,
    kind: text(root['kind']) || fallback.kind,
    namespace: text(metadata['namespace']),
    name: text(metadata['name']),
    uid: text(metadata['uid']),
    resourceVersion: text(metadata['resourceVersion']),
  }
}

/** Same key, same Event: only its count grows. */
export function eventKey(content: EventContent, source: EventSource): string {
  const { target } = content
  const parts = [source.component, source.host, target.apiVersion, target.kind, target.namespace, target.name, target.uid, content.type, content.reason, content.message]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}

/** Where Events about a target live. */
export function eventNamespace(target: EventTarget): string {
  return target.namespace === undefined || target.namespace === '' ? 'default' : target.namespace
}

/** A core/v1 Event: the form every server and every `kubectl describe` understands. */
export function writeEvent(content: EventContent, source: EventSource, seen: { readonly name: string, readonly count: number, readonly first: Date, readonly last: Date }): object {
  const { target } = content
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: seen.name, namespace: eventNamespace(target) },
    involvedObject: { ...target, namespace: target.namespace === '' ? undefined : target.namespace },
    type: content.type,
    reason: content.reason.slice(0, maxReason),
    message: content.message.length > maxMessage ? `${content.message.slice(0, maxMessage - 1)}…` : content.message,
    source,
    reportingComponent: source.component,
    reportingInstance: source.host,
    eventTime: null,
    firstTimestamp: seconds(seen.first),
    lastTimestamp: seconds(seen.last),
    count: seen.count,
  }
}

/** The part of an Event that changes when it happens again. */
export function repeatEvent(seen: { readonly count: number, readonly last: Date }): object {
  return { count: seen.count, lastTimestamp: seconds(seen.last) }
}

/** metav1.Time, as Kubernetes prints it. */
function seconds(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z')
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
