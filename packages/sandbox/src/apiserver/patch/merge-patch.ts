// Read first: RFC 7396.
import { asObject, cloneJson, setMember, type Json, type JsonObject } from '../json.ts'

/** Applies a JSON merge patch; neither argument is changed. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  const changes = asObject(patch)
  if (changes === undefined) return cloneJson(patch)
  const result: JsonObject = { ...asObject(target) }
  for (const [name, change] of Object.entries(changes)) {
    if (change === null) delete result[name]
    else if (change !== undefined) setMember(result, name, mergePatch(Object.hasOwn(result, name) ? result[name] : undefined, change))
  }
  return result
}
