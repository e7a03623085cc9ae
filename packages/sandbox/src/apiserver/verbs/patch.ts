import { asObject, asText, cloneJson, type Json, type JsonObject } from '../json.ts'
import { badRequest, conflict, unsupportedMediaType } from '../status.ts'
import { jsonPatch } from '../patch/json-patch.ts'
import { mergePatch } from '../patch/merge-patch.ts'
import { strategicMergePatch } from '../patch/strategic-merge-patch.ts'
import { messageNameOf } from '../schema/message.ts'
import type { Kind } from '../kind.ts'
import type { Stored } from '../stored.ts'
import type { VerbContext, WriteOptions } from './context.ts'
import { getObject, updateObject, type Target } from './update.ts'

const JSON_PATCH = 'application/json-patch+json'
const MERGE_PATCH = 'application/merge-patch+json'
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json'
const APPLY_PATCH = 'application/apply-patch+yaml'

/**
 * Patches an object or one subresource of it.
 *
 * @param contentType Which of the four patch languages.
 * @throws {ApiError} What {@link updateObject} throws, and 415.
 */
export function patchObject(context: VerbContext, target: Target, patch: Json, options: WriteOptions & { contentType: string }): Stored {
  const current = getObject(context, target)
  const { kind } = target
  const base = kind.fromStorage?.(current.object) ?? current.object
  const patched = asObject(applyPatch(kind, base, patch, options.contentType))
  if (patched === undefined) throw badRequest('the patched object must be an object')
  // A patch is made for what is stored now, unless it names a revision itself.
  const revision = asText(asObject(patched['metadata'])?.['resourceVersion'])
  if (revision !== undefined && revision !== base.metadata.resourceVersion) throw conflict(kind, target.name)
  return updateObject(context, target, patched, options)
}

function applyPatch(kind: Kind, base: JsonObject, patch: Json, contentType: string): Json {
  if (contentType === STRATEGIC_PATCH && kind.strategic) {
    const changes = asObject(patch)
    if (changes === undefined) throw badRequest('the patch must be a JSON object')
    return strategicMergePatch(base, changes, messageNameOf(kind))
  }
  switch (contentType) {
    case JSON_PATCH: return jsonPatch(base, patch)
    case MERGE_PATCH: return mergePatch(cloneJson(base), patch)
    default: throw unsupportedMediaType(kind.strategic ? [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH] : [JSON_PATCH, MERGE_PATCH, APPLY_PATCH])
  }
}
