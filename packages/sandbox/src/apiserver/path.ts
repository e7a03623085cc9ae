/** What a request path names: `/api/v1/namespaces/default/pods/web/log` and its like. */
export interface ResourcePath {
  readonly group: string
  readonly version: string
  readonly namespace?: string | undefined
  readonly resource: string
  readonly name?: string | undefined
  readonly subresource?: string | undefined
}

/**
 * Parses the path of a resource request, without the query.
 *
 * @returns undefined when the path is of another kind (discovery, health, unknown).
 */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const parts = path.split('/').slice(1)
  if (parts.at(-1) === '') parts.pop()
  let decoded: string[]
  try {
    decoded = parts.map(part => decodeURIComponent(part))
  } catch {
    return undefined
  }
  const isCore = decoded[0] === 'api'
  if (!isCore && decoded[0] !== 'apis') return undefined
  const group = isCore ? '' : (decoded[1] ?? '')
  const version = decoded[isCore ? 1 : 2]
  let rest = decoded.slice(isCore ? 2 : 3)
  if (version === undefined || rest.length === 0) return undefined
  let namespace: string | undefined
  // `namespaces/x`, `namespaces/x/status` and `namespaces/x/finalize` are about the namespace itself.
  if (rest[0] === 'namespaces' && rest.length > 2 && !(rest.length === 3 && NAMESPACE_SUBRESOURCES.has(rest[2]!))) {
    namespace = rest[1]
    rest = rest.slice(2)
  }
  const [resource, name, subresource, ...more] = rest
  if (resource === undefined || more.length > 0) return undefined
  return { group, version, namespace, resource, name, subresource }
}

const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize'])
