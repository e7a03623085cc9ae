/** A kind of object that can be listed and watched. */
export interface ObjectResource<T> {
  /** Plural, lower case, as in logs and metrics. */
  readonly name: string
  /** REST path of the collection over all namespaces, e.g. `/api/v1/pods`. */
  readonly path: string
  /** Keeps what is used of an object; throws `InvalidObjectError` for one that cannot be used. */
  readonly trim: (object: unknown) => T
}
