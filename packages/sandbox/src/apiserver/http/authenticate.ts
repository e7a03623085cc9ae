import type { IncomingMessage } from 'node:http'
import type { Api } from '../api.ts'
import { type Attributes, refusal } from '../authorization/attributes.ts'
import { ApiError } from '../status.ts'
import type { User } from '../tls/credentials.ts'

/**
 * Who sends a request, or whom it is sent for: `kubectl --as`.
 *
 * @throws {ApiError} 401 without a token that was given out, 403 when the sender may not act for others.
 */
export function authenticate(api: Api, request: IncomingMessage): User {
  const token = /^Bearer (.+)$/u.exec(request.headers.authorization ?? '')?.[1]
  const user = token === undefined ? undefined : api.credentials.userOf(token)
  if (user === undefined) throw new ApiError(401, 'Unauthorized', 'Unauthorized')
  const name = request.headers['impersonate-user']
  return typeof name === 'string' ? impersonated(api, user, { name, groups: request.headersDistinct['impersonate-group'] ?? [] }) : user
}

/** @throws {ApiError} 403 in Kubernetes' words. */
export function authorize(api: Api, user: User, attributes: Attributes): void {
  const { allowed, reason } = api.authorizer.decide(user, attributes)
  api.audit.record(user, attributes, allowed)
  if (!allowed) throw refusal(user, attributes, reason)
}

function impersonated(api: Api, user: User, { name, groups }: { readonly name: string, readonly groups: readonly string[] }): User {
  const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name) ?? []
  const about = namespace === undefined ? { resource: 'users', name } : { resource: 'serviceaccounts', namespace, name: account! }
  authorize(api, user, { kind: 'resource', verb: 'impersonate', group: '', ...about })
  for (const group of groups) authorize(api, user, { kind: 'resource', verb: 'impersonate', group: '', resource: 'groups', name: group })
  const own = namespace === undefined ? [] : ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
  return { name, groups: [...new Set([...own, ...groups, 'system:authenticated'])] }
}
