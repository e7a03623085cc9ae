import { asKubeObject, type JsonObject, type KubeObject } from '../json.ts'
import type { Kind } from '../kind.ts'
import { defineKind } from './define.ts'

/** events.k8s.io name of a field and its name in the core group, where events are kept. */
const RENAMED: readonly (readonly [group: string, core: string])[] = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
  ['reportingController', 'reportingComponent'],
]

function rename(object: KubeObject, names: ReadonlyMap<string, string>, apiVersion: string): KubeObject {
  const renamed: JsonObject = {}
  for (const [name, value] of Object.entries(object)) renamed[names.get(name) ?? name] = value
  return asKubeObject({ ...renamed, apiVersion })
}

const toCore = new Map(RENAMED)
const toGroup = new Map(RENAMED.map(([group, core]) => [core, group] as const))

/** Event of events.k8s.io: the core Events under other names. */
export const groupEventKind: Kind = defineKind({
  group: 'events.k8s.io', version: 'v1', kind: 'Event', resource: 'events', shortNames: ['ev'], storage: 'events',
  selectableFields: ['reason', 'reportingController', 'type', 'regarding.kind', 'regarding.namespace', 'regarding.name', 'regarding.uid'],
  fromStorage: object => rename(object, toGroup, 'events.k8s.io/v1'),
  toStorage: object => rename(object, toCore, 'v1'),
})
