import { Field } from './field.ts'

/** The part of `metadata` that every noun keeps. */
export interface ObjectMeta {
  /** Empty for cluster-scoped objects. */
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly labels: Readonly<Record<string, string>>
  /** True once deletion was asked for (`metadata.deletionTimestamp`). */
  readonly deleting: boolean
}

/**
 * Opens an object for reading.
 *
 * @param kind For messages, e.g. `Service`.
 * @throws {InvalidObjectError} If it has no usable name.
 */
export function openObject(kind: string, object: unknown): { readonly root: Field, readonly meta: ObjectMeta } {
  const anonymous = new Field(kind, '', object).get('metadata')
  const namespace = anonymous.get('namespace').stringOr('')
  const name = anonymous.get('name').name()
  const root = new Field(`${kind} ${namespace === '' ? name : `${namespace}/${name}`}`, '', object)
  const metadata = root.get('metadata')
  return {
    root,
    meta: {
      namespace,
      name,
      uid: metadata.get('uid').stringOr(''),
      resourceVersion: metadata.get('resourceVersion').stringOr(''),
      labels: metadata.get('labels').stringMap(),
      deleting: metadata.get('deletionTimestamp').present,
    },
  }
}

/** `namespace/name`, or `name` for cluster-scoped objects: the key of stores, logs and messages. */
export function objectKey(object: { readonly namespace: string, readonly name: string }): string {
  return object.namespace === '' ? object.name : `${object.namespace}/${object.name}`
}
