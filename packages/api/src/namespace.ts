import { type ObjectMeta, openObject } from './object-meta.ts'

export interface Namespace extends ObjectMeta {}

/**
 * Keeps what the features use of a core/v1 Namespace: its labels.
 *
 * @throws {InvalidObjectError} Naming the namespace and the field.
 */
export function toNamespace(object: unknown): Namespace {
  return openObject('Namespace', object).meta
}

export const namespaceResource = { name: 'namespaces', path: '/api/v1/namespaces', trim: toNamespace } as const
