import type { Json } from '../json.ts'
import type { Cause } from '../status.ts'

/** The field is absent or empty but needed. */
export function required(field: string, detail?: string): Cause {
  return { reason: 'FieldValueRequired', message: detail === undefined ? 'Required value' : `Required value: ${detail}`, field }
}

/** The field's value is not of the right form. */
export function invalidValue(field: string, value: Json | undefined, detail: string): Cause {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${shown(value)}: ${detail}`, field }
}

/** The field has a value outside its enumeration. */
export function notSupported(field: string, value: Json | undefined, supported: readonly string[]): Cause {
  const list = supported.map(item => JSON.stringify(item)).join(', ')
  return { reason: 'FieldValueNotSupported', message: `Unsupported value: ${shown(value)}: supported values: ${list}`, field }
}

/** The field may not be set, or not changed, in this situation. */
export function forbiddenField(field: string, detail: string): Cause {
  return { reason: 'FieldValueForbidden', message: `Forbidden: ${detail}`, field }
}

/** The same value stands twice in a list that is a set. */
export function duplicate(field: string, value: Json | undefined): Cause {
  return { reason: 'FieldValueDuplicate', message: `Duplicate value: ${shown(value)}`, field }
}

/** The value has the wrong JSON type. */
export function wrongType(field: string, value: Json | undefined, wanted: string): Cause {
  const got = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'number' ? (Number.isInteger(value) ? 'integer' : 'number') : typeof value
  return { reason: 'FieldValueTypeInvalid', message: `Invalid value: ${JSON.stringify(got)}: ${field} in body must be of type ${wanted}: ${JSON.stringify(got)}`, field }
}

function shown(value: Json | undefined): string {
  return value === undefined ? '""' : JSON.stringify(value)
}
