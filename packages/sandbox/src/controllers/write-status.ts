import { equalJson, type JsonObject } from '../apiserver/json.ts'
import type { ControllerContext } from './controller.ts'
import { keyOf, type Condition, type Workload } from './model.ts'

/** Writes a status if it says something new. @param storage E.g. `deployments.apps`. */
export async function writeStatus(context: ControllerContext, storage: string, object: Workload, status: JsonObject): Promise<void> {
  const current = context.storage.get(storage, keyOf(object))
  if (current === undefined || current.metadata.uid !== object.metadata.uid) return
  if (equalJson((current['status'] ?? {}), status)) return
  const path = context.storage.pathOf(storage, keyOf(object))
  await context.client.request('PUT', `${path}/status`, { body: { ...current, status } })
}

/** `conditions` with one of them set; its transition time moves only when the status does. */
export function withCondition(conditions: readonly Condition[], condition: Omit<Condition, 'lastTransitionTime'>, now: string): JsonObject[] {
  const old = conditions.find(candidate => candidate.type === condition.type)
  const lastTransitionTime = old?.status === condition.status && old.lastTransitionTime !== undefined ? old.lastTransitionTime : now
  const rest = conditions.filter(candidate => candidate.type !== condition.type)
  return [...rest, { ...condition, lastTransitionTime }].sort((a, b) => (a.type < b.type ? -1 : 1)).map(item => ({ ...item }))
}
