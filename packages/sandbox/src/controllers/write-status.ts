import { asJson, asObject, equalJson, type JsonObject, type Json } from '../apiserver/json.ts'
import type { ControllerContext } from './controller.ts'
import { keyOf, type Condition, type Meta } from './model.ts'

/** Writes a status if it says something new. @param storage E.g. `deployments.apps`. */
export async function writeStatus(context: ControllerContext, storage: string, object: { readonly metadata: Meta }, status: JsonObject): Promise<void> {
  const current = context.storage.get(storage, keyOf(object))
  if (current === undefined || current.metadata.uid !== object.metadata.uid) return
  if (equalJson((current['status'] ?? {}), status)) return
  const path = context.storage.pathOf(storage, keyOf(object))
  await context.client.request('PUT', `${path}/status`, { body: { ...current, status } })
}

/** `conditions` with one of them set; its transition time moves only when the status does. */
export function withCondition(conditions: readonly Condition[], condition: Omit<Condition, 'lastTransitionTime'>, now: string): Condition[] {
  const old = conditions.find(candidate => candidate.type === condition.type)
  const lastTransitionTime = old?.status === condition.status && old.lastTransitionTime !== undefined ? old.lastTransitionTime : now
  const rest = conditions.filter(candidate => candidate.type !== condition.type)
  return [...rest, { ...condition, lastTransitionTime }].sort((a, b) => (a.type < b.type ? -1 : 1))
}

/** The conditions of a status. */
export function conditionsOf(status: unknown): readonly Condition[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- validated by the server in this process
  return (status as { readonly conditions?: readonly Condition[] } | undefined)?.conditions ?? []
}

/** A status with other conditions. */
export function withConditions(status: Json | undefined, conditions: readonly Condition[]): JsonObject {
  return { ...asObject(status), conditions: asJson(conditions) }
}
