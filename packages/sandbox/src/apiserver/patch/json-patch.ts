// Read first: RFC 6902 (JSON Patch), RFC 6901 (JSON Pointer).
import { asObject, asText, cloneJson, equalJson, setMember, wordOf, type Json, type JsonObject } from '../json.ts'
import { ApiError, badRequest } from '../status.ts'

/** Kubernetes refuses longer patches, so does this server. */
const MAX_OPERATIONS = 10_000

/**
 * Applies a JSON patch; neither argument is changed.
 *
 * @throws {ApiError} 400 for a malformed patch, 422 for one that does not apply.
 */
export function jsonPatch(target: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch')
  if (patch.length > MAX_OPERATIONS) throw new ApiError(413, 'RequestEntityTooLarge', `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`)
  let document = cloneJson(target)
  for (const item of patch) {
    const operation = asObject(item)
    if (operation === undefined) throw badRequest('error decoding patch: an operation must be an object')
    document = applyOperation(document, operation)
  }
  return document
}

function applyOperation(document: Json, operation: JsonObject): Json {
  const path = parsePointer(operation['path'])
  switch (operation['op']) {
    case 'add': return place(document, path, cloneJson(operation['value'] ?? null), 'add')
    case 'replace': return place(document, path, cloneJson(operation['value'] ?? null), 'replace')
    case 'remove': return remove(document, path)
    case 'test':
      if (equalJson(valueOf(document, path), operation['value'] ?? null)) return document
      throw notApplicable(`testing path ${pointerText(path)} failed`)
    case 'copy': return place(document, path, cloneJson(valueOf(document, parsePointer(operation['from']))), 'add')
    case 'move': {
      const from = parsePointer(operation['from'])
      const value = valueOf(document, from)
      return place(remove(document, from), path, value, 'add')
    }
    default: throw badRequest(`Unexpected kind: ${wordOf(operation['op'])}`)
  }
}

function parsePointer(value: Json | undefined): string[] {
  const text = asText(value)
  if (text === undefined || (text !== '' && !text.startsWith('/'))) throw badRequest(`error decoding patch: ${JSON.stringify(value)} is not a JSON pointer`)
  return text.split('/').slice(1).map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function pointerText(path: readonly string[]): string {
  return path.map(token => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function notApplicable(message: string): ApiError {
  return new ApiError(422, 'Invalid', `the server rejected our request due to an error in our request: ${message}`)
}

function member(container: Json | undefined, token: string): Json | undefined {
  if (Array.isArray(container)) return /^(0|[1-9]\d*)$/u.test(token) ? container[Number(token)] : undefined
  const object = asObject(container)
  return object !== undefined && Object.hasOwn(object, token) ? object[token] : undefined
}

function valueOf(document: Json, path: readonly string[]): Json {
  let value: Json | undefined = document
  for (const token of path) value = member(value, token)
  if (value === undefined) throw notApplicable(`doc is missing path: ${pointerText(path)}`)
  return value
}

function place(document: Json, path: readonly string[], value: Json, mode: 'add' | 'replace'): Json {
  const last = path.at(-1)
  if (last === undefined) return value
  const parent = valueOf(document, path.slice(0, -1))
  if (mode === 'replace' && member(parent, last) === undefined) throw notApplicable(`replace operation does not apply: doc is missing key: ${pointerText(path)}`)
  if (Array.isArray(parent)) {
    const index = last === '-' ? parent.length : Number(last)
    if (!/^(-|0|[1-9]\d*)$/u.test(last) || index > parent.length) throw notApplicable(`add operation does not apply: invalid index ${pointerText(path)}`)
    parent.splice(index, mode === 'replace' ? 1 : 0, value)
    return document
  }
  const object = asObject(parent)
  if (object === undefined) throw notApplicable(`add operation does not apply: doc is missing path: ${pointerText(path)}`)
  setMember(object, last, value)
  return document
}

function remove(document: Json, path: readonly string[]): Json {
  const last = path.at(-1)
  if (last === undefined) return null
  const parent = valueOf(document, path.slice(0, -1))
  if (member(parent, last) === undefined) throw notApplicable(`remove operation does not apply: doc is missing key: ${pointerText(path)}`)
  if (Array.isArray(parent)) parent.splice(Number(last), 1)
  else delete asObject(parent)![last]
  return document
}
