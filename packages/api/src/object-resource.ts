/** A kind of object that can be listed and watched. */
export interface ObjectResource<T> {
  /** Of its objects, e.g. `Pod` and `v1`. */
  readonly kind: string
  readonly apiVersion: string
  /** Plural, lower case, as in logs and metrics. */
  readonly name: string
  /** REST path of the collection over all namespaces, e.g. `/api/v1/pods`. */
  readonly path: string
  /** Keeps what is used of an object; throws `InvalidObjectError` for one that cannot be used. */
  readonly trim: (object: unknown) => T
  /** True for a kind that a cluster may not have. @default false */
  readonly optional?: boolean | undefined
}
