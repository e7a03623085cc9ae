import { isDeepStrictEqual } from 'node:util'
import { isRecord } from './object.ts'

/**
 * Equal in everything but `resourceVersion`: a heartbeat that touches only fields we trimmed away
 * is no change.
 */
export function equalValue(a: unknown, b: unknown): boolean {
  if (!isRecord(a) || !isRecord(b)) return equal(a, b)
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => key === 'resourceVersion' || (Object.hasOwn(b, key) && equal(a[key], b[key])))
}

function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, index) => equal(item, b[index]))
  if (!isRecord(a) || !isRecord(b)) return false
  const prototype: unknown = Object.getPrototypeOf(a)
  if (prototype !== Object.getPrototypeOf(b)) return false
  // Maps, sets, dates: rare in trimmed objects, and Node compares them right.
  if (prototype !== Object.prototype && prototype !== null) return isDeepStrictEqual(a, b)
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]))
}

/** Freezes a value and everything in it; what is frozen already is taken to be frozen to the bottom. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) return value
  Object.freeze(value)
  for (const member of Array.isArray(value) ? value : Object.values(value)) deepFreeze(member)
  return value
}
