import { wordOf, type Json, type JsonObject } from '../json.ts'
import { badRequest } from '../status.ts'
import { isScalar, messageNamed, type Field, type Message, type Scalar } from './message.ts'

/**
 * Brings an object to the form that Kubernetes would store: unknown fields, nulls and empty optional values go.
 *
 * @param object Changed in place.
 * @returns Paths of unknown fields that were dropped.
 * @throws {ApiError} 400 when a value has the wrong type.
 */
export function conform(object: JsonObject, messageName: string, context: { kind: string, version: string }): string[] {
  const message = messageNamed(messageName)
  if (message === undefined) return []
  const unknown: string[] = []
  const refuse = (path: string, value: Json, wanted: string): never => {
    const text = `${context.kind} in version ${JSON.stringify(context.version)} cannot be handled as a ${context.kind}: json: cannot unmarshal ${goName(value)} into Go struct field ${path} of type ${wanted}`
    throw badRequest(text)
  }
  const visit: Visit = { unknown, refuse }
  conformObject(object, message, { path: '', visit, skip: TYPE_FIELDS })
  return unknown
}

const TYPE_FIELDS: ReadonlySet<string> = new Set(['apiVersion', 'kind'])
const NO_FIELDS: ReadonlySet<string> = new Set()

interface Visit {
  readonly unknown: string[]
  readonly refuse: (path: string, value: Json, wanted: string) => never
}

function conformObject(object: JsonObject, message: Message, at: { path: string, visit: Visit, skip: ReadonlySet<string> }): void {
  for (const name of Object.keys(object)) {
    if (at.skip.has(name)) continue
    const path = at.path === '' ? name : `${at.path}.${name}`
    const field = message.get(name)
    if (field === undefined) {
      at.visit.unknown.push(path)
      delete object[name]
      continue
    }
    const value = object[name]
    if (value === null || value === undefined) delete object[name]
    else {
      object[name] = conformField(value, field, path, at.visit)
      if (field.dropsEmpty && isEmpty(object[name], field)) delete object[name]
    }
  }
}

function conformField(value: Json, field: Field, path: string, visit: Visit): Json {
  if (field.shape === 'list') {
    if (!Array.isArray(value)) return visit.refuse(path, value, `[]${goType(field.type)}`)
    return value.map((item, index) => conformValue(item, field.type, `${path}[${index}]`, visit))
  }
  if (field.shape === 'map') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return visit.refuse(path, value, `map[string]${goType(field.type)}`)
    for (const [key, member] of Object.entries(value)) Object.defineProperty(value, key, { value: conformValue(member ?? null, field.type, `${path}.${key}`, visit), enumerable: true, writable: true, configurable: true })
    return value
  }
  return conformValue(value, field.type, path, visit)
}

function conformValue(value: Json, type: string, path: string, visit: Visit): Json {
  if (isScalar(type)) return conformScalar(value, type, path, visit)
  if (value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) return visit.refuse(path, value, goType(type))
  const message = messageNamed(type)
  if (message !== undefined) conformObject(value, message, { path, visit, skip: NO_FIELDS })
  return value
}

function conformScalar(value: Json, type: Scalar, path: string, visit: Visit): Json {
  const good = ((): boolean => {
    switch (type) {
      case 's': case 'y': case 'time': case 'microtime': return typeof value === 'string'
      case 'i': return typeof value === 'number' && Number.isInteger(value)
      case 'd': return typeof value === 'number'
      case 'b': return typeof value === 'boolean'
      case 'quantity': return typeof value === 'string' || typeof value === 'number'
      case 'intorstring': return typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value))
      case 'raw': case 'any': return true
      default: return type satisfies never
    }
  })()
  if (!good) {
    if (value === null && type === 's') return ''
    return visit.refuse(path, value, goType(type))
  }
  return type === 'quantity' ? wordOf(value) : value
}

function isEmpty(value: Json | undefined, field: Field): boolean {
  if (value === '' || value === 0 || value === false) return true
  if (field.shape === 'one' || typeof value !== 'object' || value === null) return false
  return Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0
}

function goName(value: Json): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number' && !Number.isInteger(value)) return `number ${value}`
  return value === null ? 'null' : typeof value
}

function goType(type: string): string {
  const names: Readonly<Record<string, string>> = { s: 'string', i: 'int64', d: 'float64', b: 'bool', y: '[]uint8', time: 'v1.Time', microtime: 'v1.MicroTime', quantity: 'resource.Quantity', intorstring: 'intstr.IntOrString' }
  return names[type] ?? type.replace(/^\w+\./u, 'v1.')
}
