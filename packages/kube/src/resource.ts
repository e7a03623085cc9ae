import type { StoredObject } from './object.ts'

/** What to list and watch, and what to keep of it. */
export interface Resource<T extends StoredObject> {
  /** Of its objects, e.g. `Pod` and `v1`: items of a list do not say it. */
  readonly kind: string
  readonly apiVersion: string
  /** Plural name for logs and metrics, e.g. `pods`. */
  readonly name: string
  /** Collection path, e.g. `/api/v1/pods` or `/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices`. */
  readonly path: string
  /**
   * Keeps the fields we use. Throwing refuses this one object: it is counted, logged, reported,
   * and the version accepted before (same uid) stays in the store.
   */
  readonly trim: (object: unknown) => T
  /** Server-side selectors, in Kubernetes syntax. */
  readonly fieldSelector?: string | undefined
  readonly labelSelector?: string | undefined
  /**
   * True for a kind that may not be installed (a CRD): 404 then means "there are none" and the
   * store counts as synced; the kind is looked for again every now and then.
   *
   * @default false
   */
  readonly optional?: boolean | undefined
}
