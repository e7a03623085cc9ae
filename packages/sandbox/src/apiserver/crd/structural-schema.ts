// Read first: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
import { asArray, asNumber, asObject, asText, cloneJson, equalJson, objectsIn, type Json, type JsonObject } from '../json.ts'
import type { Cause } from '../status.ts'
import { duplicate, invalidValue, notSupported, required, wrongType } from '../validation/field.ts'
import { formatFault } from './format.ts'

/**
 * Faults of a value by an OpenAPI v3 schema. Rules in CEL are not evaluated, except `self == oldSelf`.
 *
 * @param field Where the value stands; '' for the whole object.
 * @param old What stood there before an update.
 */
export function schemaFaults(value: Json | undefined, schema: JsonObject, field: string, old?: Json): Cause[] {
  if (value === undefined) return []
  if (value === null) return schema['nullable'] === true ? [] : typeFaults(value, schema, field)
  const wrong = typeFaults(value, schema, field)
  if (wrong.length > 0) return wrong
  const causes = [...valueFaults(value, schema, field), ...combinationFaults(value, schema, field), ...immutabilityFaults(value, schema, field, old)]
  if (Array.isArray(value)) causes.push(...listFaults(value, schema, field, old))
  else if (typeof value === 'object') causes.push(...objectFaults(value, schema, field, old))
  return causes
}

function typeFaults(value: Json, schema: JsonObject, field: string): Cause[] {
  if (schema['x-kubernetes-int-or-string'] === true) {
    return typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value)) ? [] : [wrongType(field, value, 'integer,string')]
  }
  const type = asText(schema['type'])
  const good = ((): boolean => {
    switch (type) {
      case 'object': return asObject(value) !== undefined
      case 'array': return Array.isArray(value)
      case 'string': return typeof value === 'string'
      case 'integer': return typeof value === 'number' && Number.isInteger(value)
      case 'number': return typeof value === 'number'
      case 'boolean': return typeof value === 'boolean'
      default: return true
    }
  })()
  return good ? [] : [wrongType(field, value, type!)]
}

function valueFaults(value: Json, schema: JsonObject, field: string): Cause[] {
  const causes: Cause[] = []
  const refuse = (detail: string): void => void causes.push(invalidValue(field, value, `${field} in body ${detail}`))
  const choices = schema['enum']
  if (Array.isArray(choices) && !choices.some(choice => equalJson(choice, value))) causes.push(notSupported(field, value, choices.map(String)))
  if (typeof value === 'string') {
    const pattern = asText(schema['pattern'])
    if (pattern !== undefined && compile(pattern)?.test(value) === false) refuse(`should match '${pattern}'`)
    const most = asNumber(schema['maxLength'])
    if (most !== undefined && lengthOf(value) > most) causes.push({ reason: 'FieldValueTooLong', message: `Too long: may not be more than ${most} bytes`, field })
    const least = asNumber(schema['minLength'])
    if (least !== undefined && lengthOf(value) < least) refuse(`should be at least ${least} chars long`)
    const fault = formatFault(value, asText(schema['format']))
    if (fault !== undefined) refuse(fault)
  }
  if (typeof value === 'number') {
    const low = asNumber(schema['minimum'])
    const high = asNumber(schema['maximum'])
    if (low !== undefined && (schema['exclusiveMinimum'] === true ? value <= low : value < low)) refuse(`should be greater than ${schema['exclusiveMinimum'] === true ? '' : 'or equal to '}${low}`)
    if (high !== undefined && (schema['exclusiveMaximum'] === true ? value >= high : value > high)) refuse(`should be less than ${schema['exclusiveMaximum'] === true ? '' : 'or equal to '}${high}`)
    const step = asNumber(schema['multipleOf'])
    if (step !== undefined && value % step !== 0) refuse(`should be a multiple of ${step}`)
  }
  return causes
}

/** In code points, as OpenAPI counts. */
function lengthOf(text: string): number {
  return Array.from(text).length
}

const compiled = new Map<string, RegExp | undefined>()

/** Patterns are RE2; one that is no JavaScript pattern refuses nothing. */
function compile(pattern: string): RegExp | undefined {
  return compiled.getOrInsertComputed(pattern, () => {
    for (const flags of ['u', '']) {
      try {
        return new RegExp(pattern, flags)
      } catch {
        // Escapes that the u flag forbids are common in RE2 patterns.
      }
    }
    return undefined
  })
}

function combinationFaults(value: Json, schema: JsonObject, field: string): Cause[] {
  const fits = (part: JsonObject): boolean => schemaFaults(value, part, field).length === 0
  const causes = objectsIn(schema['allOf']).flatMap(part => schemaFaults(value, part, field))
  const any = objectsIn(schema['anyOf'])
  if (any.length > 0 && !any.some(fits)) causes.push(invalidValue(field, value, `${field} in body must validate at least one schema (anyOf)`))
  const one = objectsIn(schema['oneOf'])
  if (one.length > 0 && one.filter(fits).length !== 1) causes.push(invalidValue(field, value, `${field} in body must validate one and only one schema (oneOf)`))
  const not = asObject(schema['not'])
  if (not !== undefined && fits(not)) causes.push(invalidValue(field, value, `${field} in body must not validate the schema (not)`))
  return causes
}

function immutabilityFaults(value: Json, schema: JsonObject, field: string, old: Json | undefined): Cause[] {
  if (old === undefined || equalJson(value, old)) return []
  const rule = objectsIn(schema['x-kubernetes-validations']).find(candidate => /^\s*self\s*==\s*oldSelf\s*$/u.test(asText(candidate['rule']) ?? ''))
  return rule === undefined ? [] : [invalidValue(field, value, asText(rule['message']) ?? 'failed rule: self == oldSelf')]
}

function listFaults(list: readonly Json[], schema: JsonObject, field: string, old: Json | undefined): Cause[] {
  const causes: Cause[] = []
  const least = asNumber(schema['minItems'])
  const most = asNumber(schema['maxItems'])
  if (least !== undefined && list.length < least) causes.push(invalidValue(field, list.length, `${field} in body should have at least ${least} items`))
  if (most !== undefined && list.length > most) causes.push({ reason: 'FieldValueTooMany', message: `Too many: ${list.length}: must have at most ${most} items`, field })
  const keys = asArray(schema['x-kubernetes-list-map-keys']).map(String)
  const idOf = (item: Json): Json => (keys.length === 0 ? item : Object.fromEntries(keys.map(key => [key, asObject(item)?.[key]])))
  if (schema['x-kubernetes-list-type'] === 'set' || schema['x-kubernetes-list-type'] === 'map') {
    for (const [index, item] of list.entries()) if (list.slice(0, index).some(other => equalJson(idOf(other), idOf(item)))) causes.push(duplicate(`${field}[${index}]`, idOf(item)))
  }
  const items = asObject(schema['items'])
  if (items === undefined) return causes
  const before = (item: Json, index: number): Json | undefined => (keys.length === 0 ? asArray(old)[index] : asArray(old).find(other => equalJson(idOf(other), idOf(item))))
  return [...causes, ...list.flatMap((item, index) => schemaFaults(item, items, `${field}[${index}]`, before(item, index)))]
}

function objectFaults(object: JsonObject, schema: JsonObject, field: string, old: Json | undefined): Cause[] {
  const at = (name: string): string => (field === '' ? name : `${field}.${name}`)
  const causes = asArray(schema['required']).map(String).filter(name => object[name] === undefined).map(name => required(at(name)))
  const least = asNumber(schema['minProperties'])
  const most = asNumber(schema['maxProperties'])
  const count = Object.keys(object).length
  if (least !== undefined && count < least) causes.push(invalidValue(field, count, `${field} in body should have at least ${least} properties`))
  if (most !== undefined && count > most) causes.push({ reason: 'FieldValueTooMany', message: `Too many: ${count}: must have at most ${most} properties`, field })
  const properties = asObject(schema['properties']) ?? {}
  const additional = asObject(schema['additionalProperties'])
  for (const [name, value] of Object.entries(object)) {
    const part = Object.hasOwn(properties, name) ? asObject(properties[name]) : additional
    if (part !== undefined) causes.push(...schemaFaults(value, part, at(name), asObject(old)?.[name]))
  }
  return causes
}

/** Removes what the schema does not know, in place; gives the paths. @param skip Names at the top that are always known. */
export function prune(value: Json | undefined, schema: JsonObject, path: string, skip: ReadonlySet<string> = new Set()): string[] {
  if (Array.isArray(value)) {
    const items = asObject(schema['items'])
    return items === undefined ? [] : value.flatMap((item, index) => prune(item, items, `${path}[${index}]`))
  }
  const object = asObject(value)
  if (object === undefined) return []
  const properties = asObject(schema['properties']) ?? {}
  const additional = schema['additionalProperties']
  const keepsUnknown = schema['x-kubernetes-preserve-unknown-fields'] === true || additional === true
  return Object.keys(object).flatMap(name => {
    if (skip.has(name)) return []
    const at = path === '' ? name : `${path}.${name}`
    const part = Object.hasOwn(properties, name) ? asObject(properties[name]) : asObject(additional)
    if (part !== undefined) return prune(object[name], part, at)
    if (keepsUnknown) return []
    delete object[name]
    return [at]
  })
}

/** Fills absent values that have a default, in place. */
export function applySchemaDefaults(value: Json | undefined, schema: JsonObject): void {
  if (Array.isArray(value)) {
    const items = asObject(schema['items'])
    if (items !== undefined) for (const item of value) applySchemaDefaults(item, items)
    return
  }
  const object = asObject(value)
  if (object === undefined) return
  for (const [name, part] of Object.entries(asObject(schema['properties']) ?? {})) {
    const partSchema = asObject(part)
    if (partSchema === undefined) continue
    if (object[name] === undefined && partSchema['default'] !== undefined) object[name] = cloneJson(partSchema['default'])
    // A null that may not be one counts as absent.
    if (object[name] === null && partSchema['nullable'] !== true) {
      if (partSchema['default'] === undefined) delete object[name]
      else object[name] = cloneJson(partSchema['default'])
    }
    applySchemaDefaults(object[name], partSchema)
  }
  const additional = asObject(schema['additionalProperties'])
  if (additional !== undefined) for (const member of Object.values(object)) applySchemaDefaults(member, additional)
}
