import { randomUUID } from 'node:crypto'
import type { Kind } from '../kind.ts'
import { parseFieldSelector, parseLabelSelector, type Selector } from '../selector.ts'
import { badRequest, expired, revisionTooLarge } from '../status.ts'
import type { Stored } from '../stored.ts'
import type { VerbContext } from './context.ts'

/** What a list gives: the chosen objects in order of their keys, in storage form. */
export interface ObjectList {
  readonly kind: Kind
  readonly revision: number
  readonly items: readonly Stored[]
  /** Token for the next page. */
  readonly continue?: string | undefined
  readonly remaining?: number | undefined
}

/** Which objects of a kind are meant. */
export interface Scope {
  readonly kind: Kind
  readonly namespace?: string | undefined
}

/** Pages being read: a page token names a list as it was when the first page was served. */
const KEPT_LISTS = 64

/** Lists that clients are paging through, oldest forgotten first. */
export class PagedLists {
  readonly #lists = new Map<string, { revision: number, items: readonly Stored[] }>()

  keep(revision: number, items: readonly Stored[]): string {
    const id = randomUUID()
    this.#lists.set(id, { revision, items: [...items] })
    if (this.#lists.size > KEPT_LISTS) this.#lists.delete(this.#lists.keys().next().value!)
    return id
  }

  get(id: string): { revision: number, items: readonly Stored[] } | undefined {
    return this.#lists.get(id)
  }
}

/** Both selectors of a query as one. */
export function selectorOf(kind: Kind, query: URLSearchParams): Selector {
  const labels = query.get('labelSelector') ?? ''
  const fields = query.get('fieldSelector') ?? ''
  if (labels === '' && fields === '') return EVERYTHING
  const byLabel = parseLabelSelector(labels)
  const byField = parseFieldSelector(fields, kind)
  const view = kind.fromStorage
  return object => byLabel(object) && byField(view === undefined ? object : view(object))
}

const EVERYTHING: Selector = () => true

/**
 * Lists objects by the query's selectors, limit and continue token.
 *
 * @throws {ApiError} 400 (selector), 410 (token too old), 504 (revision from the future).
 */
export function listObjects(context: VerbContext, scope: Scope, query: URLSearchParams, pages: PagedLists): ObjectList {
  const { kind, namespace } = scope
  const selector = selectorOf(kind, query)
  const limit = Number(query.get('limit') ?? 0)
  const token = query.get('continue') ?? ''
  if (token !== '') return nextPage(kind, pages, token, limit)
  checkRevision(context, query)
  const all = context.store.list(kind.storage, namespace)
  const items = selector === EVERYTHING ? all : all.filter(item => selector(item.object))
  const { revision } = context.store
  if (limit <= 0 || items.length <= limit) return { kind, revision, items }
  const id = pages.keep(revision, items)
  return { kind, revision, items: items.slice(0, limit), continue: `${id}.${limit}`, remaining: items.length - limit }
}

function nextPage(kind: Kind, pages: PagedLists, token: string, limit: number): ObjectList {
  const [id = '', offset = ''] = token.split('.')
  const kept = pages.get(id)
  const from = Number(offset)
  if (kept === undefined || !Number.isInteger(from)) {
    throw expired('The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.')
  }
  const to = limit > 0 ? from + limit : kept.items.length
  const items = kept.items.slice(from, to)
  if (to >= kept.items.length) return { kind, revision: kept.revision, items }
  return { kind, revision: kept.revision, items, continue: `${id}.${to}`, remaining: kept.items.length - to }
}

function checkRevision(context: VerbContext, query: URLSearchParams): void {
  const text = query.get('resourceVersion') ?? ''
  if (text === '') return
  const asked = parseRevision(text)
  if (asked > context.store.revision) throw revisionTooLarge(asked, context.store.revision)
  if (query.get('resourceVersionMatch') === 'Exact' && asked !== context.store.revision) {
    throw expired(`The resourceVersion for the provided list is too old.`)
  }
}

/** @throws {ApiError} 400 when `text` is not a revision. */
export function parseRevision(text: string): number {
  if (!/^\d{1,15}$/u.test(text)) throw badRequest(`Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text)
}
