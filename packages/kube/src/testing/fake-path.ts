/** What a request path names: a collection, one object, or a subresource of it. */
export interface FakePath {
  /** Cluster-wide path of the kind, e.g. `/api/v1/pods`. */
  readonly collection: string
  /** Empty for all namespaces and for cluster-scoped kinds. */
  readonly namespace: string
  /** Empty for the collection itself. */
  readonly name: string
  /** Empty for the object itself. */
  readonly subresource: string
}

/** Takes a Kubernetes request path apart; undefined for anything else. */
export function parseFakePath(path: string): FakePath | undefined {
  const match = /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)\/(.+)$/.exec(path)
  if (match === null) return undefined
  const [, group, rest] = match
  const [first = '', second = '', third = '', fourth = '', fifth = ''] = rest!.split('/').map(decodeURIComponent)
  // `namespaces/x/pods` is in a namespace, but `namespaces/x/status` is about one.
  if (first === 'namespaces' && third !== '' && third !== 'status' && third !== 'finalize') {
    return { collection: `${group}/${third}`, namespace: second, name: fourth, subresource: fifth }
  }
  return { collection: `${group}/${first}`, namespace: '', name: second, subresource: third }
}
