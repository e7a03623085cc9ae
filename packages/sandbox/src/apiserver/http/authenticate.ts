import type { IncomingMessage } from 'node:http'
import type { Api } from '../api.ts'
import { ApiError } from '../status.ts'
import type { User } from '../tls/credentials.ts'

/**
 * Who sends a request.
 *
 * @throws {ApiError} 401 without a token that was given out.
 */
export function authenticate(api: Api, request: IncomingMessage): User {
  const token = /^Bearer (.+)$/u.exec(request.headers.authorization ?? '')?.[1]
  const user = token === undefined ? undefined : api.credentials.userOf(token)
  if (user === undefined) throw new ApiError(401, 'Unauthorized', 'Unauthorized')
  return user
}
