import type { JsonObject } from '../json.ts'
import type { User } from '../tls/credentials.ts'
import type { Attributes } from './attributes.ts'

/** Different things that are kept apart; a cluster's programs do some dozens. */
const maxEntries = 10_000

/** What was asked of the server over HTTP: one entry for each user and right, with counts. Enough to derive the roles that programs need. */
export class Audit {
  readonly #entries = new Map<string, { readonly fields: JsonObject, allowed: number, refused: number }>()

  record(user: User, attributes: Attributes, allowed: boolean): void {
    const what = attributes.kind === 'path' ? { path: attributes.path } : { group: attributes.group, resource: attributes.resource, namespace: attributes.namespace ?? null }
    const fields = { user: user.name, verb: attributes.verb, ...what }
    const key = JSON.stringify(fields)
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      if (this.#entries.size >= maxEntries) return
      entry = { fields, allowed: 0, refused: 0 }
      this.#entries.set(key, entry)
    }
    if (allowed) entry.allowed++
    else entry.refused++
  }

  /** In the order of first use. */
  toJson(): JsonObject {
    return { entries: [...this.#entries.values()].map(({ fields, allowed, refused }) => ({ ...fields, allowed, refused })) }
  }
}
