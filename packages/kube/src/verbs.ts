import type { KubeClient, Query } from './client.ts'
import { isGone, isNotFound, KubeError } from './errors.ts'
import { isRecord, resourceVersionOf } from './object.ts'

export interface VerbOptions {
  readonly signal?: AbortSignal | undefined
}

/** How a patch body is to be read. */
export type PatchType = 'merge' | 'strategic' | 'json'

const patchContentTypes: Readonly<Record<PatchType, string>> = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
}

/** Reads one object. Paths come from `objectPath`. */
export async function getObject<T = unknown>(client: KubeClient, path: string, options: VerbOptions = {}): Promise<T> {
  return await client.request<T>('GET', path, { signal: options.signal })
}

/** Creates an object; `path` is the collection in its namespace, or the subresource (`…/binding`). */
export async function createObject<T = unknown>(client: KubeClient, path: string, body: unknown, options: VerbOptions = {}): Promise<T> {
  return await client.request<T>('POST', path, { body, signal: options.signal })
}

/** Replaces an object; its `metadata.resourceVersion` makes it a compare-and-swap. */
export async function replaceObject<T = unknown>(client: KubeClient, path: string, body: unknown, options: VerbOptions = {}): Promise<T> {
  return await client.request<T>('PUT', path, { body, signal: options.signal })
}

/** Changes parts of an object. */
export async function patchObject<T = unknown>(client: KubeClient, path: string, body: unknown, options: VerbOptions & { readonly type: PatchType }): Promise<T> {
  return await client.request<T>('PATCH', path, { body, contentType: patchContentTypes[options.type], signal: options.signal })
}

/**
 * Server-side apply: what `body` names becomes ours, the rest is left alone.
 *
 * @param options.fieldManager Who owns the fields, e.g. `weft-controller`.
 * @param options.force Takes fields from other owners. @default false
 */
export async function applyObject<T = unknown>(client: KubeClient, path: string, body: unknown, options: VerbOptions & { readonly fieldManager: string, readonly force?: boolean | undefined }): Promise<T> {
  return await client.request<T>('PATCH', path, {
    body,
    // JSON is YAML, and the only media type every server takes for apply.
    contentType: 'application/apply-patch+yaml',
    query: { fieldManager: options.fieldManager, force: options.force === true ? true : undefined },
    signal: options.signal,
  })
}

/**
 * Deletes an object; one that is not there is fine.
 *
 * @param options.uid Only if it is still this one. @param options.resourceVersion Only if it has not changed since.
 * @returns False when it was not there.
 */
export async function deleteObject(client: KubeClient, path: string, options: VerbOptions & { readonly uid?: string | undefined, readonly resourceVersion?: string | undefined } = {}): Promise<boolean> {
  const { uid, resourceVersion } = options
  const conditional = uid !== undefined || resourceVersion !== undefined
  try {
    await client.request('DELETE', path, {
      signal: options.signal,
      ...(conditional ? { body: { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid, resourceVersion } } } : {}),
    })
    return true
  } catch (error) {
    if (isNotFound(error)) return false
    throw error
  }
}

/** One page of a list. */
export interface ListPage {
  readonly items: readonly unknown[]
  /** Of the whole list: the same on each page. */
  readonly resourceVersion: string
}

export interface ListOptions extends VerbOptions {
  readonly fieldSelector?: string | undefined
  readonly labelSelector?: string | undefined
  /** Objects per page to begin with; pages shrink when their objects are large. @default 500 */
  readonly pageSize?: number | undefined
}

/** A page of this size is parsed in about 30 ms; larger ones would hold up everything else. */
const targetPageBytes = 4 * 1024 * 1024
/** Each page may take this long: a busy server reads it from etcd. */
const pageTimeoutMs = 60_000

/**
 * Lists a collection page by page, as of one moment.
 *
 * @throws {KubeError} 410 when the server forgot that moment before the last page: begin again.
 */
export async function* listPages(client: KubeClient, path: string, options: ListOptions = {}): AsyncGenerator<ListPage, void> {
  let limit = options.pageSize ?? 500
  let token: string | undefined
  for (;;) {
    let bytes = 0
    const query: Query = { limit, continue: token, fieldSelector: options.fieldSelector, labelSelector: options.labelSelector }
    let list: unknown
    try {
      list = await client.request('GET', path, { query, signal: options.signal, timeoutMs: pageTimeoutMs, onBytes: (size) => { bytes = size } })
    } catch (error) {
      if (!(error instanceof KubeError) || error.code !== 'ERR_KUBE_TOO_LARGE' || limit === 1) throw error
      limit = Math.max(1, Math.floor(limit / 8))
      continue
    }
    const page = isRecord(list) ? list['items'] ?? [] : undefined
    if (!isRecord(list) || !Array.isArray(page)) throw new KubeError('ERR_KUBE_GARBAGE', `Cannot list "${path}": the answer is no list`)
    if (bytes > targetPageBytes) limit = Math.max(1, Math.floor(limit * targetPageBytes / bytes))
    token = continueOf(list)
    yield { items: page, resourceVersion: resourceVersionOf(list) }
    if (token === undefined) return
  }
}

/** Lists a whole collection, beginning again when the server forgets where we were. */
export async function listObjects(client: KubeClient, path: string, options: ListOptions = {}): Promise<ListPage> {
  for (let tries = 1; ; tries += 1) {
    try {
      const items: unknown[] = []
      let resourceVersion = ''
      for await (const page of listPages(client, path, options)) {
        items.push(...page.items)
        resourceVersion = page.resourceVersion
      }
      return { items, resourceVersion }
    } catch (error) {
      if (!isGone(error) || tries >= 3) throw error
    }
  }
}

function continueOf(list: Readonly<Record<string, unknown>>): string | undefined {
  const metadata = list['metadata']
  const token = isRecord(metadata) ? metadata['continue'] : undefined
  return typeof token === 'string' && token !== '' ? token : undefined
}
