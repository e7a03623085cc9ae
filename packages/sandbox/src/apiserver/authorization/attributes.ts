// Read first: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb
import { parseResourcePath } from '../path.ts'
import type { ApiRequest } from '../request.ts'
import { ApiError } from '../status.ts'
import type { User } from '../tls/credentials.ts'

/** What a request is about to do, as authorization sees it. */
export type Attributes =
  | {
    readonly kind: 'resource'
    readonly verb: string
    readonly group: string
    /** With its subresource, e.g. `pods/log`. */
    readonly resource: string
    readonly namespace?: string | undefined
    readonly name?: string | undefined
  }
  | { readonly kind: 'path', readonly verb: string, readonly path: string }

const onCollection: Readonly<Record<string, string>> = { GET: 'list', POST: 'create', DELETE: 'deletecollection' }
const onObject: Readonly<Record<string, string>> = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

/** The attributes of a request. A path that names no resource (discovery, `/version`) is judged by itself. */
export function attributesOf({ method, path, query }: Pick<ApiRequest, 'method' | 'path' | 'query'>): Attributes {
  const at = parseResourcePath(path)
  if (at === undefined) return { kind: 'path', verb: method.toLowerCase(), path }
  const watches = method === 'GET' && ['1', 'true'].includes(query.get('watch') ?? '')
  const named = at.name ?? (method === 'POST' ? undefined : nameIn(query.get('fieldSelector')))
  return {
    kind: 'resource',
    verb: watches ? 'watch' : (at.name === undefined ? onCollection : onObject)[method] ?? method.toLowerCase(),
    group: at.group,
    resource: at.subresource === undefined ? at.resource : `${at.resource}/${at.subresource}`,
    // A namespace is in itself: a Role there may allow to read it.
    namespace: at.resource === 'namespaces' && at.group === '' ? at.name : at.namespace,
    name: named,
  }
}

/** `metadata.name=x` narrows a list to one object, which rules with resourceNames may allow. */
function nameIn(fieldSelector: string | null): string | undefined {
  return /(?:^|,)metadata\.name==?([^,!=]+)(?:,|$)/.exec(fieldSelector ?? '')?.[1]
}

/** 403 in Kubernetes' words. */
export function refusal(user: User, attributes: Attributes, reason: string): ApiError {
  const because = reason === '' ? '' : `: ${reason}`
  if (attributes.kind === 'path') return new ApiError(403, 'Forbidden', `forbidden: User ${JSON.stringify(user.name)} cannot ${attributes.verb} path ${JSON.stringify(attributes.path)}${because}`, {})
  const { verb, group, resource, namespace, name } = attributes
  const plural = resource.split('/')[0]!
  const object = `${plural}${group === '' ? '' : `.${group}`}${name === undefined ? '' : ` ${JSON.stringify(name)}`}`
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`
  const details = { ...(name === undefined ? {} : { name }), ...(group === '' ? {} : { group }), kind: plural }
  return new ApiError(403, 'Forbidden', `${object} is forbidden: User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(group)} ${where}${because}`, details)
}
