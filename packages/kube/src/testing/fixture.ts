import { isRecord, type StoredObject } from '../object.ts'
import type { Resource } from '../resource.ts'
import type { FakeObject } from './fake-object.ts'

/** A noun for tests of this package: `spec.value` is a number or the object is refused. */
export interface Thing extends StoredObject {
  readonly value: number
}

export const thingsPath = '/apis/weft.test/v1/things'

/** What a test puts into the API. */
export function thing(name: string, value: unknown): FakeObject {
  return { metadata: { namespace: 'shop', name }, spec: { value } }
}

export const things: Resource<Thing> = {
  kind: 'Thing',
  apiVersion: 'weft.test/v1',
  name: 'things',
  path: thingsPath,
  trim(object) {
    if (!isRecord(object) || !isRecord(object['metadata']) || !isRecord(object['spec'])) throw new Error('no metadata or spec')
    const { namespace, name, uid, resourceVersion } = object['metadata']
    const { value } = object['spec']
    if (typeof value !== 'number') throw new TypeError(`spec.value is ${typeof value}, want a number`)
    return { namespace: String(namespace), name: String(name), uid: String(uid), resourceVersion: String(resourceVersion), value }
  },
}

/** The values of things by name, for comparing. */
export function valuesOf(objects: Iterable<Thing>): Record<string, number> {
  return Object.fromEntries([...objects].map(({ name, value }) => [name, value] as const).toSorted(([a], [b]) => a < b ? -1 : 1))
}

/** The same as the API has them; refused ones are left out. */
export function valuesIn(objects: readonly FakeObject[]): Record<string, number> {
  return Object.fromEntries(objects.flatMap(({ metadata, spec }) =>
    isRecord(spec) && typeof spec['value'] === 'number' ? [[metadata.name!, spec['value']] as const] : []).toSorted(([a], [b]) => a < b ? -1 : 1))
}
