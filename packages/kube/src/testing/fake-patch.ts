import { FakeStatus } from './fake-object.ts'

/** Applies a patch as its content type says; strategic and apply merge conditions by type, all else as a merge patch. */
export function applyPatch(contentType: string, target: unknown, patch: unknown): unknown {
  switch (contentType.split(';')[0]) {
    case 'application/merge-patch+json':
      return merge(target, patch, false)
    case 'application/strategic-merge-patch+json':
    case 'application/apply-patch+yaml':
      return merge(target, patch, true)
    case 'application/json-patch+json':
      if (!Array.isArray(patch)) throw new FakeStatus(400, 'BadRequest', 'a JSON patch is a list')
      return patch.reduce<unknown>(operate, structuredClone(target))
    default:
      throw new FakeStatus(415, 'UnsupportedMediaType', `patches of type ${contentType} are not served`)
  }
}

/** RFC 7386, with lists of conditions merged by their `type` when `strategic`. */
function merge(target: unknown, patch: unknown, strategic: boolean): unknown {
  if (Array.isArray(patch)) return strategic && Array.isArray(target) && patch.every(hasType) ? mergeByType(target, patch) : patch
  if (!isObject(patch)) return patch
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = merge(result[key], value, strategic)
  }
  return result
}

function mergeByType(target: readonly unknown[], patch: readonly { readonly type: unknown }[]): unknown[] {
  const result = [...target]
  for (const item of patch) {
    const index = result.findIndex((known) => hasType(known) && known.type === item.type)
    if (index === -1) result.push(item)
    else result[index] = merge(result[index], item, true)
  }
  return result
}

/** One step of RFC 6902: add, replace, remove, test. */
function operate(document: unknown, step: unknown): unknown {
  if (!isObject(step) || typeof step['path'] !== 'string') throw new FakeStatus(400, 'BadRequest', 'a JSON patch step needs op and path')
  const keys = step['path'].split('/').slice(1).map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  const last = keys.pop()
  if (last === undefined) return step['value']
  let parent: unknown = document
  for (const key of keys) parent = typeof parent === 'object' && parent !== null ? Reflect.get(parent, key) : undefined
  if (typeof parent !== 'object' || parent === null) throw new FakeStatus(422, 'Invalid', `there is nothing at ${step['path']}`)
  const there = Reflect.has(parent, last)
  switch (step['op']) {
    case 'add':
      if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : Number(last), 0, step['value'])
      else Reflect.set(parent, last, step['value'])
      break
    case 'replace':
    case 'remove':
      if (!there) throw new FakeStatus(422, 'Invalid', `there is nothing at ${step['path']}`)
      if (step['op'] === 'replace') Reflect.set(parent, last, step['value'])
      else if (Array.isArray(parent)) parent.splice(Number(last), 1)
      else Reflect.deleteProperty(parent, last)
      break
    case 'test':
      if (JSON.stringify(Reflect.get(parent, last)) !== JSON.stringify(step['value'])) throw new FakeStatus(422, 'Invalid', `test of ${step['path']} failed`)
      break
    default:
      throw new FakeStatus(400, 'BadRequest', `JSON patch has no op ${String(step['op'])}`)
  }
  return document
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasType(value: unknown): value is { readonly type: unknown } {
  return isObject(value) && typeof value['type'] === 'string'
}
