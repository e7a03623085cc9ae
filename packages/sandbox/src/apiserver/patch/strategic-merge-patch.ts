// Read first: https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
// and community/contributors/devel/sig-api-machinery/strategic-merge-patch.md.
import { asObject, cloneJson, equalJson, setMember, type Json, type JsonObject } from '../json.ts'
import { badRequest } from '../status.ts'
import { messageNamed, type Field, type Message } from '../schema/message.ts'

const DIRECTIVE = '$patch'
const RETAIN_KEYS = '$retainKeys'
const ELEMENT_ORDER = '$setElementOrder/'
const DELETE_VALUES = '$deleteFromPrimitiveList/'

/**
 * Applies a strategic merge patch; neither argument is changed. Lists with a merge key are merged by it, others replaced.
 * `$setElementOrder` is passed over: it only orders.
 *
 * @param messageName Message of the object, e.g. `core.Pod`.
 * @throws {ApiError} 400 for a malformed directive.
 */
export function strategicMergePatch(target: JsonObject, patch: JsonObject, messageName: string): JsonObject {
  return mergeObject(target, patch, messageNamed(messageName))
}

function mergeObject(target: JsonObject, patch: JsonObject, message: Message | undefined): JsonObject {
  const directive = patch[DIRECTIVE]
  if (directive === 'replace') return asObject(withoutDirectives(patch))!
  if (directive === 'delete') return {}
  if (directive !== undefined && directive !== 'merge') throw badRequest(`Unknown patch type found: ${JSON.stringify(directive)}`)
  const retained = patch[RETAIN_KEYS]
  const result: JsonObject = { ...target }
  if (Array.isArray(retained)) for (const name of Object.keys(result)) if (!retained.includes(name)) delete result[name]
  for (const [name, change] of Object.entries(patch)) {
    if (name === DIRECTIVE || name === RETAIN_KEYS || name.startsWith(ELEMENT_ORDER) || change === undefined) continue
    if (name.startsWith(DELETE_VALUES)) deleteValues(result, name.slice(DELETE_VALUES.length), change)
    else if (change === null) delete result[name]
    else setMember(result, name, mergeMember(Object.hasOwn(result, name) ? result[name] : undefined, change, message?.get(name)))
  }
  return result
}

function mergeMember(old: Json | undefined, change: Json, field: Field | undefined): Json {
  if (Array.isArray(change)) {
    if (field?.mergeKey === undefined || field.shape !== 'list') return withoutDirectives(change)
    return field.mergeKey === '' ? mergeValues(old, change) : mergeItems(Array.isArray(old) ? old : [], change, field)
  }
  const changes = asObject(change)
  if (changes === undefined) return change
  const message = field === undefined || field.shape !== 'one' ? undefined : messageNamed(field.type)
  return mergeObject(asObject(old) ?? {}, changes, message)
}

function mergeValues(old: Json | undefined, change: readonly Json[]): Json[] {
  const values = Array.isArray(old) ? [...old] : []
  for (const value of change) if (!values.some(known => equalJson(known, value))) values.push(value)
  return values
}

function mergeItems(old: readonly Json[], change: readonly Json[], field: Field): Json[] {
  const key = field.mergeKey!
  const items = change.map(item => asObject(item))
  if (items.some(item => item?.[DIRECTIVE] === 'replace')) {
    return items.filter(item => item !== undefined && item[DIRECTIVE] === undefined).map(item => withoutDirectives(item!))
  }
  const message = messageNamed(field.type)
  let result = [...old]
  for (const item of items) {
    if (item === undefined) throw badRequest(`an item of ${field.name} is not an object`)
    const id = item[key]
    if (id === undefined) throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`)
    const isSame = (known: Json): boolean => equalJson(asObject(known)?.[key], id)
    if (item[DIRECTIVE] === 'delete') result = result.filter(known => !isSame(known))
    else {
      const index = result.findIndex(isSame)
      if (index === -1) result.push(mergeObject({}, item, message))
      else result[index] = mergeObject(asObject(result[index])!, item, message)
    }
  }
  return result
}

function deleteValues(object: JsonObject, name: string, values: Json): void {
  const old = object[name]
  if (!Array.isArray(old) || !Array.isArray(values)) return
  object[name] = old.filter(value => !values.some(gone => equalJson(gone, value)))
}

function withoutDirectives(value: Json): Json {
  if (Array.isArray(value)) return value.map(item => withoutDirectives(item))
  const object = asObject(value)
  if (object === undefined) return value
  const clean: JsonObject = {}
  for (const [name, member] of Object.entries(object)) if (!name.startsWith('$') && member !== undefined) setMember(clean, name, withoutDirectives(cloneJson(member)))
  return clean
}
