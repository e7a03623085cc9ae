import type { JsonObject, KubeObject } from './json.ts'
import { apiVersionOf, type Kind } from './kind.ts'
import type { Stored } from './stored.ts'
import type { ObjectList } from './verbs/list.ts'

/** An object in the form its kind shows, e.g. a core Event as an events.k8s.io one. */
export function viewOf(kind: Kind, item: Stored): KubeObject {
  return kind.fromStorage?.(item.object) ?? item.object
}

/** The JSON of an object in its kind's form; the one written for the journal when the form is the same. */
export function jsonOf(kind: Kind, item: Stored): string {
  return kind.fromStorage === undefined ? item.json : JSON.stringify(kind.fromStorage(item.object))
}

/** The JSON of a list. Items of built-in kinds carry no apiVersion and kind, as Kubernetes leaves them out. */
export function listJson(list: ObjectList): string {
  const { kind } = list
  const head = `{"kind":"${kind.kind}List","apiVersion":"${apiVersionOf(kind)}","metadata":${JSON.stringify(listMetadata(list))},"items":[`
  const prefix = `{"apiVersion":"${apiVersionOf(kind)}","kind":"${kind.kind}",`
  const parts = list.items.map(item => {
    const json = jsonOf(kind, item)
    return kind.schema === undefined && json.startsWith(prefix) ? `{${json.slice(prefix.length)}` : json
  })
  return `${head}${parts.join(',')}]}`
}

/** ListMeta. */
export function listMetadata(list: ObjectList): JsonObject {
  return {
    resourceVersion: String(list.revision),
    ...(list.continue === undefined ? {} : { continue: list.continue, remainingItemCount: list.remaining }),
  }
}

/** The object of a bookmark event. */
export function bookmarkObject(kind: Kind, revision: number, initialEventsEnd: boolean): JsonObject {
  const annotations = initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}
  return { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata: { resourceVersion: String(revision), creationTimestamp: null, ...annotations } }
}
