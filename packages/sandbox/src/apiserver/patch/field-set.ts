// Read first: sigs.k8s.io/structured-merge-diff, fieldpath/serialize: `f:` members, `k:` items by key, `v:` items by value, `.` the thing itself.
import { asObject, equalJson, setMember, type Json, type JsonObject } from '../json.ts'
import type { Shape } from './shape.ts'

/** A set of fields as FieldsV1 writes it. */
export type FieldSet = JsonObject

/** The id of a list's item, e.g. `k:{"containerPort":80,"protocol":"TCP"}`; undefined when the list has none for it. */
function itemId(item: Json, shape: Shape): string | undefined {
  if (shape.list === undefined) return undefined
  if (shape.list.kind === 'set') return `v:${JSON.stringify(item)}`
  const keys = shape.list.keys.map(key => [key, asObject(item)?.[key] ?? DEFAULT_KEYS[key]] as const).filter(([, value]) => value !== undefined)
  return `k:${JSON.stringify(Object.fromEntries(keys))}`
}

/** Keys that may be left out because they have a default. */
const DEFAULT_KEYS: Readonly<Record<string, Json>> = { protocol: 'TCP' }

/** All fields that a value sets. */
export function fieldsOf(value: Json, shape: Shape): FieldSet {
  if (shape.isAtomic) return {}
  if (Array.isArray(value)) {
    const set: FieldSet = {}
    for (const item of value) {
      const id = itemId(item, shape)
      if (id !== undefined) set[id] = { '.': {}, ...fieldsOf(item, shape.item()) }
    }
    return set
  }
  const object = asObject(value)
  if (object === undefined) return {}
  const set: FieldSet = {}
  for (const [name, member] of Object.entries(object)) if (member !== undefined && member !== null) set[`f:${name}`] = fieldsOf(member, shape.member(name))
  return set
}

/** What is in `a` and not in `b`. */
export function subtract(a: FieldSet, b: FieldSet): FieldSet {
  const rest: FieldSet = {}
  for (const [id, inner] of Object.entries(a)) {
    const other = asObject(b[id])
    const mine = asObject(inner) ?? {}
    if (other === undefined) rest[id] = mine
    else {
      const left = subtract(mine, other)
      if (Object.keys(left).length > 0) rest[id] = left
    }
  }
  return rest
}

/** What is in either. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  const all: FieldSet = { ...a }
  for (const [id, inner] of Object.entries(b)) all[id] = union(asObject(all[id]) ?? {}, asObject(inner) ?? {})
  return all
}

/** A copy of a value without the leaves of a set; objects and items that become empty because of it go too. */
export function without(value: Json, set: FieldSet, shape: Shape): Json {
  if (Array.isArray(value)) {
    return value.flatMap(item => {
      const id = itemId(item, shape)
      const inner = id === undefined ? undefined : asObject(set[id])
      if (inner === undefined) return [item]
      // The item itself was owned: it goes as a whole.
      return inner['.'] !== undefined || Object.keys(inner).length === 0 ? [] : [without(item, inner, shape.item())]
    })
  }
  const object = asObject(value)
  if (object === undefined) return value
  const rest: JsonObject = {}
  for (const [name, member] of Object.entries(object)) {
    const inner = asObject(set[`f:${name}`])
    if (inner === undefined) setMember(rest, name, member!)
    else if (Object.keys(inner).length > 0) {
      const left = without(member!, inner, shape.member(name))
      if (!isEmpty(left)) setMember(rest, name, left)
    }
  }
  return rest
}

function isEmpty(value: Json): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

/** Leaves in both sets whose value would change, as `.spec.replicas`. */
export function conflicts(set: FieldSet, other: FieldSet, values: { live: Json | undefined, wanted: Json | undefined, shape: Shape }, path = ''): string[] {
  return Object.entries(set).flatMap(([id, inner]) => {
    const theirs = asObject(other[id])
    if (theirs === undefined || id === '.') return []
    const mine = asObject(inner) ?? {}
    const [live, wanted] = [pick(values.live, id, values.shape), pick(values.wanted, id, values.shape)]
    const shape = id.startsWith('f:') ? values.shape.member(id.slice(2)) : values.shape.item()
    const at = `${path}${id.startsWith('f:') ? `.${id.slice(2)}` : `[${id.slice(2)}]`}`
    if (Object.keys(mine).length === 0 || Object.keys(theirs).length === 0) return equalJson(live, wanted) ? [] : [at]
    return conflicts(mine, theirs, { live, wanted, shape }, at)
  })
}

function pick(value: Json | undefined, id: string, shape: Shape): Json | undefined {
  if (id.startsWith('f:')) return asObject(value)?.[id.slice(2)]
  return Array.isArray(value) ? value.find(item => itemId(item, shape) === id) : undefined
}

/** `live` with everything `config` sets; lists are merged as their shape says. */
export function overlay(live: Json | undefined, config: Json, shape: Shape): Json {
  if (shape.isAtomic || live === undefined || live === null) return config
  if (Array.isArray(config)) {
    if (!Array.isArray(live) || shape.list === undefined) return config
    const result = [...live]
    for (const item of config) {
      const id = itemId(item, shape)
      const index = result.findIndex(candidate => itemId(candidate, shape) === id)
      if (index === -1) result.push(item)
      else result[index] = overlay(result[index], item, shape.item())
    }
    return result
  }
  const changes = asObject(config)
  const base = asObject(live)
  if (changes === undefined || base === undefined) return config
  const result: JsonObject = { ...base }
  for (const [name, member] of Object.entries(changes)) {
    if (member === null) delete result[name]
    else if (member !== undefined) setMember(result, name, overlay(base[name], member, shape.member(name)))
  }
  return result
}
