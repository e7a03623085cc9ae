// Read first: https://spec.openapis.org/oas/v3.0.0#schema-object, and what `kubectl explain` reads of it.
import type { JsonObject } from '../json.ts'
import { isScalar, messageNamed, type Field, type Scalar } from './message.ts'

const scalars: Readonly<Record<Scalar, JsonObject>> = {
  s: { type: 'string' },
  i: { type: 'integer' },
  d: { type: 'number' },
  b: { type: 'boolean' },
  y: { type: 'string', format: 'byte' },
  quantity: { type: 'string' },
  time: { type: 'string', format: 'date-time' },
  microtime: { type: 'string', format: 'date-time' },
  intorstring: { type: 'string', format: 'int-or-string' },
  raw: { type: 'object' },
  any: { type: 'object' },
}

/**
 * The schemas of messages and of all that they refer to, by name. Field names and types only: the words of Kubernetes'
 * documentation are not kept here.
 */
export function messageSchemas(names: Iterable<string>): Readonly<Record<string, JsonObject>> {
  const schemas: Record<string, JsonObject> = {}
  const waiting = [...names]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (schemas[name] !== undefined) continue
    const properties: Record<string, JsonObject> = {}
    for (const [field, { type, shape }] of messageNamed(name) ?? []) {
      properties[field] = fieldSchema({ type, shape })
      if (!isScalar(type)) waiting.push(type)
    }
    schemas[name] = { type: 'object', properties }
  }
  return schemas
}

function fieldSchema({ type, shape }: Pick<Field, 'type' | 'shape'>): JsonObject {
  const one: JsonObject = isScalar(type) ? scalars[type] : { allOf: [{ $ref: `#/components/schemas/${type}` }] }
  switch (shape) {
    case 'one': return { ...one }
    case 'list': return { type: 'array', items: { ...one } }
    case 'map': return { type: 'object', additionalProperties: { ...one } }
    default: return shape satisfies never
  }
}
