import type { AdmissionPolicies } from './admission/admission-policies.ts'
import { asObject, type Json, type JsonObject } from './json.ts'
import type { Kind } from './kind.ts'
import { badRequest } from './status.ts'
import type { Stored } from './stored.ts'
import type { User } from './tls/credentials.ts'
import type { VerbContext, WriteOptions } from './verbs/context.ts'
import type { ObjectList, PagedLists } from './verbs/list.ts'
import type { Watch, WatchSink } from './verbs/watch.ts'

/** A request to a resource, whichever way it came in. */
export interface ApiRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly body?: Json | undefined
  /** Media type of the body, lower case, without parameters. */
  readonly contentType?: string | undefined
  readonly onWarning?: ((text: string) => void) | undefined
  readonly user: User
}

/** What to answer. */
export type Answer =
  | { readonly kind: 'object', readonly code: number, readonly of: Kind, readonly item: Stored }
  | { readonly kind: 'status', readonly code: number, readonly body: JsonObject }
  | { readonly kind: 'list', readonly list: ObjectList }
  | { readonly kind: 'watch', readonly of: Kind, readonly start: (sink: WatchSink) => Watch }

/** What answering needs. */
export interface DispatchContext extends VerbContext {
  readonly pages: PagedLists
  readonly policies: AdmissionPolicies
  /** The token of a user, for ServiceAccounts. */
  issueToken(user: User): string
}

/** The body as an object. */
export function bodyOf(request: ApiRequest): JsonObject {
  const body = asObject(request.body)
  if (body === undefined) throw badRequest('the body of the request must be a JSON object')
  return body
}

/** Options of a write that stand in the query. */
export function writeOptions(request: ApiRequest): WriteOptions {
  return {
    dryRun: request.query.has('dryRun'),
    fieldManager: request.query.get('fieldManager') ?? undefined,
    fieldValidation: request.query.get('fieldValidation') ?? undefined,
    onWarning: request.onWarning,
  }
}

