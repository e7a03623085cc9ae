import { KubeError } from './errors.ts'

/** What every trimmed object in a {@link Store} carries; the rest is the noun's own. */
export interface StoredObject {
  /** Undefined or absent for cluster-scoped kinds. */
  readonly namespace?: string | undefined
  readonly name: string
  /** Changes when an object is deleted and created again under the same name. */
  readonly uid: string
  /** Opaque except for order, see {@link compareResourceVersions}. Not part of the object's value. */
  readonly resourceVersion: string
}

/** The metadata we rely on before any trimmer has seen the object. */
export interface Identity {
  readonly namespace: string | undefined
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
}

/** `namespace/name`, or `name` for cluster-scoped objects: the key of a {@link Store}. */
export function keyOf(object: { readonly namespace?: string | undefined, readonly name: string }): string {
  return object.namespace === undefined || object.namespace === '' ? object.name : `${object.namespace}/${object.name}`
}

/**
 * Reads `metadata` of an untrimmed object.
 *
 * @throws {KubeError} `ERR_KUBE_OBJECT` when there is no usable name.
 */
export function identityOf(object: unknown): Identity {
  const metadata = isRecord(object) ? object['metadata'] : undefined
  if (!isRecord(metadata) || typeof metadata['name'] !== 'string' || metadata['name'] === '') {
    throw new KubeError('ERR_KUBE_OBJECT', 'Cannot identify object: metadata.name is missing, want a name')
  }
  return {
    namespace: text(metadata['namespace']) || undefined,
    name: metadata['name'],
    uid: text(metadata['uid']),
    resourceVersion: text(metadata['resourceVersion']),
  }
}

/** `metadata.resourceVersion` of an object, a list or a bookmark; empty when there is none. */
export function resourceVersionOf(object: unknown): string {
  const metadata = isRecord(object) ? object['metadata'] : undefined
  return isRecord(metadata) ? text(metadata['resourceVersion']) : ''
}

const decimal = /^\d{1,20}$/

/**
 * Orders two resourceVersions, or says `undefined` when they are not comparable.
 * Kubernetes promises comparable decimal numbers (KEP-5504); anything else (some aggregated
 * servers) is taken in the order it arrives.
 */
export function compareResourceVersions(a: string, b: string): -1 | 0 | 1 | undefined {
  if (a === b) return 0
  if (!decimal.test(a) || !decimal.test(b)) return undefined
  const left = BigInt(a)
  const right = BigInt(b)
  return left < right ? -1 : left > right ? 1 : 0
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
