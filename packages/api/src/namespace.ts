import { type ObjectMeta, openObject } from './object-meta.ts'
import type { ObjectResource } from './object-resource.ts'

export interface Namespace extends ObjectMeta {}

/**
 * Keeps what the features use of a core/v1 Namespace: its labels.
 *
 * @throws {InvalidObjectError} Naming the namespace and the field.
 */
export function toNamespace(object: unknown): Namespace {
  return openObject('Namespace', object).meta
}

export const namespaceResource: ObjectResource<Namespace> = { kind: 'Namespace', apiVersion: 'v1', name: 'namespaces', path: '/api/v1/namespaces', trim: toNamespace }
