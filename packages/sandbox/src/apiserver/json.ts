/* oxlint-disable typescript/no-unsafe-type-assertion -- the one place that says what parsed and stored values are */

/** A value as JSON.parse gives it. */
export type Json = null | boolean | number | string | Json[] | JsonObject

/** A JSON object; `undefined` members are left out when it is written. */
export interface JsonObject {
  [key: string]: Json | undefined
}

/** The metadata of every Kubernetes object, as stored. */
interface ObjectMeta extends JsonObject {
  name: string
  namespace?: string
  generateName?: string
  uid: string
  resourceVersion: string
  generation?: number
  creationTimestamp: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: JsonObject[]
}

/** A whole Kubernetes object. Objects that come out of the store are frozen; clone before changing. */
export interface KubeObject extends JsonObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

/** A value that JSON.parse made, or that JSON.stringify will write as it is. */
export function asJson(value: unknown): Json {
  return value as Json
}

/** A JSON object that is a Kubernetes object: it was read from the store or has just been given its metadata. */
export function asKubeObject(value: Json | undefined): KubeObject {
  return value as KubeObject
}

/** The object that is a member of another one; made when there is none. */
export function memberObject(object: JsonObject, name: string): JsonObject {
  const member = asObject(object[name]) ?? {}
  object[name] = member
  return member
}

/** `value` if it is an object, otherwise undefined. */
export function asObject(value: Json | undefined): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
}

/** `value` if it is an array, otherwise an empty one. */
export function asArray(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}

/** The objects in `value` if it is an array, otherwise nothing. */
export function objectsIn(value: Json | undefined): readonly JsonObject[] {
  return asArray(value).filter((item): item is JsonObject => asObject(item) !== undefined)
}

/** `value` if it is a string, otherwise undefined. */
export function asText(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Any value as a word: strings and numbers as they are, nothing for nothing, JSON for the rest. */
export function wordOf(value: Json | undefined): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** `value` if it is a number, otherwise undefined. */
export function asNumber(value: Json | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined
}

/** The string members of `value`; labels and annotations are such maps. */
export function asTextMap(value: Json | undefined): Readonly<Record<string, string>> {
  return (asObject(value) ?? {}) as Readonly<Record<string, string>>
}

/**
 * The value at a dotted path.
 *
 * @param path Member names, e.g. `spec.nodeName`. Arrays are entered by index.
 */
export function valueAt(object: Json | undefined, path: string): Json | undefined {
  let value: Json | undefined = object
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as JsonObject)[name]
  }
  return value
}

/** Equality by value; absent and `undefined` members are the same, order of members does not matter. */
export function equalJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  if (Array.isArray(a)) {
    const other = b as Json[]
    return a.length === other.length && a.every((item, index) => equalJson(item, other[index]))
  }
  return equalObjects(a, b as JsonObject)
}

function equalObjects(a: JsonObject, b: JsonObject): boolean {
  for (const name in a) if (!equalJson(a[name], b[name])) return false
  for (const name in b) if (b[name] !== undefined && a[name] === undefined) return false
  return true
}

/** A copy that shares nothing with `value` and may be changed. */
export function cloneJson<T extends Json>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(item => cloneJson(item)) as T
  const copy: JsonObject = {}
  for (const [name, member] of Object.entries(value)) if (member !== undefined) setMember(copy, name, cloneJson(member))
  return copy as T
}

/** Sets a member that a client named: `__proto__` is an ordinary name in JSON. */
export function setMember(object: JsonObject, name: string, value: Json): void {
  if (name === '__proto__') Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  else object[name] = value
}

/** Freezes `value` and everything in it. */
export function freezeJson<T extends Json>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const member of Object.values(value)) if (member !== undefined) freezeJson(member)
  return value
}
