import type { JsonObject, KubeObject } from './json.ts'
import type { Cause } from './status.ts'
import type { Column } from './table/column.ts'
import type { User } from './tls/credentials.ts'

/** A subresource this server knows. */
export type Subresource = 'status' | 'scale' | 'log' | 'exec' | 'binding' | 'eviction' | 'finalize' | 'token'

/** One served kind: its names, its shape and the rules for its objects. */
export interface Kind {
  /** API group; empty for the core group. */
  readonly group: string
  readonly version: string
  readonly kind: string
  /** Plural name as in the path. */
  readonly resource: string
  readonly singular: string
  readonly namespaced: boolean
  readonly shortNames?: readonly string[] | undefined
  readonly categories?: readonly string[] | undefined
  readonly subresources: ReadonlySet<Subresource>
  /** Where objects are kept: several kinds (versions, or both Event groups) may share one. */
  readonly storage: string
  /** Storage form to this kind's form; absent when they are the same. Must not change its argument. */
  readonly fromStorage?: ((object: KubeObject) => KubeObject) | undefined
  /** This kind's form to storage form. */
  readonly toStorage?: ((object: KubeObject) => KubeObject) | undefined
  /** Fields a field selector may name besides metadata.name and metadata.namespace. */
  readonly selectableFields?: readonly string[] | undefined
  /** Keep `status` of a created object (nodes, leases and such); otherwise it is dropped when there is a status subresource. */
  readonly keepsStatusOnCreate?: boolean | undefined
  /** Seconds between the deletion mark and removal when the client names none; 0 or absent removes at once. */
  readonly gracePeriod?: ((object: KubeObject) => number) | undefined
  /** Fills absent fields; may change its argument. */
  readonly applyDefaults?: ((object: KubeObject, old: KubeObject | undefined) => void) | undefined
  /** Prunes unknown fields in place and names them; built-in kinds use Kubernetes' own messages. */
  readonly conform?: ((object: KubeObject) => string[]) | undefined
  /** All faults of an object; empty when it is good. */
  readonly validate?: ((object: KubeObject, old: KubeObject | undefined) => Cause[]) | undefined
  /** Columns for kubectl's tables. */
  readonly columns?: readonly Column[] | undefined
  /** Whether patches may be strategic; custom resources refuse them. */
  readonly strategic: boolean
  /** Where a custom resource keeps what its scale subresource shows; built-in kinds use `spec.replicas` and its kin. */
  readonly scalePaths?: { readonly spec: string, readonly status: string, readonly selector: string } | undefined
  /** The kind is a question: the status that a created object gets. It is not kept. */
  readonly answer?: ((object: KubeObject, user: User) => JsonObject) | undefined
  /** OpenAPI v3 schema, for custom resources. */
  readonly schema?: JsonObject | undefined
}

/** The group and version as objects spell it. */
export function apiVersionOf(kind: Pick<Kind, 'group' | 'version'>): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`
}

/** The key of an object in its storage: `namespace/name`, or `name` when cluster-wide. */
export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined ? name : `${namespace}/${name}`
}
