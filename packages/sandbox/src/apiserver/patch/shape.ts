import { asArray, asObject, type JsonObject } from '../json.ts'
import { isScalar, messageNamed, type Field } from '../schema/message.ts'

/** What server-side apply has to know of a value: whether and how it may be owned in parts. */
export interface Shape {
  /** Owned as a whole. */
  readonly isAtomic: boolean
  /** How the items of a list are told apart; absent when the list is owned as a whole. */
  readonly list?: { readonly kind: 'set' } | { readonly kind: 'map', readonly keys: readonly string[] } | undefined
  /** The shape of a member of an object. */
  member(name: string): Shape
  /** The shape of an item of a list. */
  item(): Shape
}

/** Nothing is known: objects are owned by member, lists as a whole. */
const unknownShape: Shape = { isAtomic: false, member: () => unknownShape, item: () => unknownShape }

/** The shape of a Kubernetes message, e.g. `core.Pod`. */
export function messageShape(name: string): Shape {
  const message = messageNamed(name)
  if (message === undefined) return unknownShape
  return { ...unknownShape, member: member => fieldShape(message.get(member)) }
}

function fieldShape(field: Field | undefined): Shape {
  if (field === undefined) return unknownShape
  const inner = isScalar(field.type) ? unknownShape : messageShape(field.type)
  switch (field.shape) {
    case 'one': return { ...inner, isAtomic: field.isAtomic }
    case 'map': return { ...unknownShape, isAtomic: field.isAtomic, member: () => inner }
    case 'list': {
      const keys = field.listKeys
      const list = field.isSet ? ({ kind: 'set' } as const) : keys === undefined ? undefined : ({ kind: 'map', keys } as const)
      return { ...unknownShape, isAtomic: list === undefined, list, item: () => inner }
    }
    default: return field.shape satisfies never
  }
}

/** The shape of a custom resource's schema. */
export function schemaShape(schema: JsonObject | undefined): Shape {
  if (schema === undefined) return unknownShape
  const properties = asObject(schema['properties'])
  const type = schema['x-kubernetes-list-type']
  const keys = asArray(schema['x-kubernetes-list-map-keys']).map(String)
  const list = type === 'set' ? ({ kind: 'set' } as const) : type === 'map' ? ({ kind: 'map', keys } as const) : undefined
  return {
    isAtomic: schema['type'] === 'array' ? list === undefined : schema['x-kubernetes-map-type'] === 'atomic',
    list,
    member: name => schemaShape(asObject(properties?.[name]) ?? asObject(schema['additionalProperties'])),
    item: () => schemaShape(asObject(schema['items'])),
  }
}
