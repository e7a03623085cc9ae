/** Where one object lives under its collection. */
export interface ObjectAddress {
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string | undefined
  readonly name: string
  /** e.g. `status`. */
  readonly subresource?: string | undefined
}

/**
 * The path of one object, or of a subresource of it.
 *
 * @param collection Cluster-wide path of the kind, e.g. `/api/v1/pods`.
 * @example objectPath('/api/v1/pods', { namespace: 'shop', name: 'web' }) // '/api/v1/namespaces/shop/pods/web'
 */
export function objectPath(collection: string, address: ObjectAddress): string {
  const path = `${collectionPath(collection, address.namespace)}/${segment(address.name)}`
  return address.subresource === undefined ? path : `${path}/${segment(address.subresource)}`
}

/** The path of a kind within one namespace: `/api/v1/pods` -> `/api/v1/namespaces/shop/pods`. */
export function collectionPath(collection: string, namespace: string | undefined): string {
  if (namespace === undefined || namespace === '') return collection
  const slash = collection.lastIndexOf('/')
  return `${collection.slice(0, slash)}/namespaces/${segment(namespace)}${collection.slice(slash)}`
}

/** One path segment: an object's name never reaches into another path. */
function segment(name: string): string {
  if (name === '' || name === '.' || name === '..') throw new SyntaxError(`Cannot use name "${name}": it is no path segment, want an object name`)
  return encodeURIComponent(name)
}
