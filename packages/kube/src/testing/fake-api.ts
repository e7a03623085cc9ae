import { isRecord } from '../object.ts'
import { type FakeObject, FakeStatus, selects } from './fake-object.ts'
import { applyPatch } from './fake-patch.ts'
import { type FakePath, parseFakePath } from './fake-path.ts'

export interface FakeEvent {
  readonly type: string
  readonly object: unknown
}

export type FakeQuery = Readonly<Record<string, string | undefined>>

interface HistoryEntry {
  readonly revision: number
  readonly collection: string
  readonly before: FakeObject | undefined
  readonly after: FakeObject | undefined
}

interface Watcher {
  readonly path: FakePath
  readonly query: FakeQuery
  /** Only what happens after this revision is sent. */
  readonly from: number
  readonly sink: FakeSink
}

/** Where the events of one watch go. */
export interface FakeSink {
  readonly send: (event: FakeEvent) => void
  /** The server ends the watch. */
  readonly end: () => void
}

/**
 * The state of a Kubernetes API server, without transport: objects, one global revision, a history
 * that can be compacted, watchers. Any kind is served until it is listed in `missing`.
 */
export class FakeApi {
  readonly #collections = new Map<string, Map<string, FakeObject>>()
  readonly #watchers = new Set<Watcher>()
  #history: HistoryEntry[] = []
  #compacted = 0
  /** Never 0, which as a resourceVersion means "any". */
  #revision = 1
  #uids = 0
  /** Collections that answer 404, e.g. a CRD that is not installed. */
  readonly missing: Set<string> = new Set()
  /** False answers watch-list with 422, as a server without the feature does. */
  streams = true

  get revision(): number {
    return this.#revision
  }

  get watcherCount(): number {
    return this.#watchers.size
  }

  objects(collection: string): readonly FakeObject[] {
    return [...this.#collections.get(collection)?.values() ?? []]
  }

  /** Creates or replaces an object, behind the API's back. */
  put(collection: string, object: FakeObject): FakeObject {
    const { name = '', namespace = '' } = object.metadata
    const known = this.#collections.get(collection)?.get(keyOf(namespace, name))
    return this.#store(collection, keyOf(namespace, name), known, { ...structuredClone(object), metadata: { ...object.metadata, uid: object.metadata.uid ?? known?.metadata.uid ?? this.#uid() } })!
  }

  /** Deletes an object, finalizers or not. @param key `namespace/name` or `name`. */
  remove(collection: string, key: string): void {
    this.#store(collection, key, this.#collections.get(collection)?.get(key), undefined)
  }

  /** Forgets history: watches and lists from before now are answered 410. */
  compact(): void {
    this.#compacted = this.#revision
    this.#history = []
  }

  /** As etcd restored from a backup or wiped: this content, and a revision that may be lower than before. */
  restore(content: Readonly<Record<string, readonly FakeObject[]>>, revision: number): void {
    this.endWatches()
    this.#collections.clear()
    this.#revision = Math.max(1, revision)
    this.compact()
    for (const [collection, objects] of Object.entries(content)) {
      for (const object of objects) this.put(collection, object)
    }
    this.compact()
  }

  /** Ends every watch, as a server that restarts does. */
  endWatches(): void {
    const ending = [...this.#watchers]
    this.#watchers.clear()
    for (const watcher of ending) watcher.sink.end()
  }

  /** Tells every watcher where history is. */
  bookmark(): void {
    for (const watcher of this.#watchers) watcher.sink.send(this.#bookmarkOf(watcher, {}))
  }

  /** Answers everything but watches. @throws {FakeStatus} */
  handle(method: string, url: string, query: FakeQuery, body?: unknown, contentType = 'application/json'): unknown {
    const path = this.#path(url)
    const { collection, namespace, name } = path
    const key = keyOf(namespace, name)
    const known = this.#collections.get(collection)?.get(key)
    if (name === '') {
      if (method === 'GET') return this.#list(path, query)
      if (method === 'POST') return this.#create(path, asObject(body))
      throw new FakeStatus(405, 'MethodNotAllowed', `${method} ${url}`)
    }
    if (known === undefined) {
      if (method === 'PATCH' && contentType.startsWith('application/apply-patch')) {
        const object = asObject(body)
        return this.#create(path, { ...object, metadata: { ...object.metadata, name } })
      }
      throw new FakeStatus(404, 'NotFound', `${url} not found`)
    }
    switch (method) {
      case 'GET':
        return structuredClone(known)
      case 'PUT':
        return this.#update(path, known, asObject(body))
      case 'PATCH':
        return this.#update(path, known, asObject(applyPatch(contentType, known, body)))
      case 'DELETE':
        return this.#delete(collection, key, known, body)
      default:
        throw new FakeStatus(405, 'MethodNotAllowed', `${method} ${url}`)
    }
  }

  /**
   * Begins a watch; the initial events are sent before it returns.
   *
   * @returns Ends it. @throws {FakeStatus}
   */
  watch(url: string, query: FakeQuery, sink: FakeSink): () => void {
    const path = this.#path(url)
    const from = query['resourceVersion'] ?? ''
    const watcher: Watcher = { path, query, from: Number(from) || this.#revision, sink }
    if (query['sendInitialEvents'] === 'true') {
      if (!this.streams) throw new FakeStatus(422, 'Invalid', 'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled')
      this.#sendAll(watcher)
      sink.send(this.#bookmarkOf(watcher, { 'k8s.io/initial-events-end': 'true' }))
    } else if (from === '' || from === '0') {
      this.#sendAll(watcher)
    } else {
      if (!/^\d+$/.test(from)) throw new FakeStatus(400, 'BadRequest', `invalid resource version ${from}`)
      if (Number(from) < this.#compacted) throw new FakeStatus(410, 'Expired', `too old resource version: ${from} (${this.#compacted})`)
      for (const entry of this.#history) tell(watcher, entry)
    }
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #path(url: string): FakePath {
    const path = parseFakePath(url)
    if (path === undefined || this.missing.has(path.collection)) throw new FakeStatus(404, 'NotFound', 'the server could not find the requested resource')
    return path
  }

  #list(path: FakePath, query: FakeQuery): unknown {
    const token = query['continue'] === undefined ? undefined : readToken(query['continue'])
    if (token !== undefined && token.revision < this.#compacted) throw new FakeStatus(410, 'Expired', 'the provided continue parameter is too old')
    const revision = token?.revision ?? this.#revision
    const all = this.#asOf(path.collection, revision).filter((object) => isIn(path, query, object))
    const start = token === undefined ? 0 : all.findIndex((object) => keyOfObject(object) > token.after)
    const rest = start === -1 ? [] : all.slice(start)
    const limit = Number(query['limit'] ?? 0)
    const items = limit > 0 ? rest.slice(0, limit) : rest
    const more = rest.length > items.length
    return {
      kind: 'List',
      apiVersion: 'v1',
      metadata: { resourceVersion: String(revision), ...(more ? { continue: writeToken(revision, keyOfObject(items.at(-1)!)), remainingItemCount: rest.length - items.length } : {}) },
      items: structuredClone(items),
    }
  }

  /** The collection as it was at a revision: pages of one list are of one moment. */
  #asOf(collection: string, revision: number): FakeObject[] {
    const objects = new Map(this.#collections.get(collection))
    for (const entry of this.#history.toReversed()) {
      if (entry.revision <= revision) break
      if (entry.collection !== collection) continue
      const key = keyOfObject(entry.before ?? entry.after!)
      if (entry.before === undefined) objects.delete(key)
      else objects.set(key, entry.before)
    }
    return [...objects].toSorted(([a], [b]) => a < b ? -1 : 1).map(([, object]) => object)
  }

  #create(path: FakePath, object: FakeObject): FakeObject {
    const name = object.metadata.name ?? `${object.metadata.generateName ?? ''}${this.#uids + 1}`
    const namespace = path.namespace === '' ? object.metadata.namespace ?? '' : path.namespace
    const key = keyOf(namespace, name)
    if (this.#collections.get(path.collection)?.has(key) === true) throw new FakeStatus(409, 'AlreadyExists', `${key} already exists`)
    const metadata = { ...object.metadata, name, uid: this.#uid(), ...(namespace === '' ? {} : { namespace }), creationTimestamp: '2026-01-01T00:00:00Z' }
    return this.#store(path.collection, key, undefined, { ...object, metadata })!
  }

  #update(path: FakePath, known: FakeObject, next: FakeObject): FakeObject {
    const wanted = next.metadata.resourceVersion
    if (wanted !== undefined && wanted !== '' && wanted !== known.metadata.resourceVersion) {
      throw new FakeStatus(409, 'Conflict', 'the object has been modified; please apply your changes to the latest version')
    }
    const merged = path.subresource === '' ? { ...next, ...(known.status === undefined ? {} : { status: next.status ?? known.status }) } : { ...known, status: next.status }
    const metadata = { ...(path.subresource === '' ? next.metadata : known.metadata), uid: known.metadata.uid!, name: known.metadata.name! }
    const gone = known.metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0
    return this.#store(path.collection, keyOfObject(known), known, gone ? undefined : { ...merged, metadata }) ?? known
  }

  #delete(collection: string, key: string, known: FakeObject, body: unknown): unknown {
    const wanted = asObject(body ?? {})['preconditions']
    const fails = (['uid', 'resourceVersion'] as const).some((field) => {
      const value: unknown = isRecord(wanted) ? wanted[field] : undefined
      return value !== undefined && value !== known.metadata[field]
    })
    if (fails) {
      throw new FakeStatus(409, 'Conflict', `precondition of ${key} failed`)
    }
    if ((known.metadata.finalizers ?? []).length > 0) {
      return this.#store(collection, key, known, { ...known, metadata: { ...known.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } })
    }
    this.#store(collection, key, known, undefined)
    return { kind: 'Status', apiVersion: 'v1', status: 'Success' }
  }

  #store(collection: string, key: string, before: FakeObject | undefined, next: FakeObject | undefined): FakeObject | undefined {
    if (before === undefined && next === undefined) return undefined
    this.#revision += 1
    const after = next === undefined ? undefined : { ...next, metadata: { ...next.metadata, resourceVersion: String(this.#revision) } }
    let objects = this.#collections.get(collection)
    if (objects === undefined) this.#collections.set(collection, objects = new Map())
    if (after === undefined) objects.delete(key)
    else objects.set(key, after)
    const entry = { revision: this.#revision, collection, before, after }
    this.#history.push(entry)
    for (const watcher of this.#watchers) tell(watcher, entry)
    return structuredClone(after)
  }

  #sendAll(watcher: Watcher): void {
    for (const object of this.#collections.get(watcher.path.collection)?.values() ?? []) {
      if (isIn(watcher.path, watcher.query, object)) watcher.sink.send({ type: 'ADDED', object })
    }
  }

  #bookmarkOf(watcher: Watcher, annotations: Record<string, string>): FakeEvent {
    return { type: 'BOOKMARK', object: { kind: watcher.path.collection, metadata: { resourceVersion: String(this.#revision), annotations } } }
  }

  #uid(): string {
    this.#uids += 1
    return `00000000-0000-4000-8000-${String(this.#uids).padStart(12, '0')}`
  }
}

/** Sends a change the way a selector sees it: an object that stops matching is DELETED. */
function tell(watcher: Watcher, entry: HistoryEntry): void {
  if (entry.collection !== watcher.path.collection || entry.revision <= watcher.from) return
  const was = entry.before !== undefined && isIn(watcher.path, watcher.query, entry.before)
  const is = entry.after !== undefined && isIn(watcher.path, watcher.query, entry.after)
  if (is) watcher.sink.send({ type: was ? 'MODIFIED' : 'ADDED', object: entry.after })
  else if (was) watcher.sink.send({ type: 'DELETED', object: { ...entry.before, metadata: { ...entry.before.metadata, resourceVersion: String(entry.revision) } } })
}

function isIn(path: FakePath, query: FakeQuery, object: FakeObject): boolean {
  if (path.namespace !== '' && object.metadata.namespace !== path.namespace) return false
  return selects({ fields: query['fieldSelector'], labels: query['labelSelector'] }, object)
}

function keyOf(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`
}

function keyOfObject(object: FakeObject): string {
  return keyOf(object.metadata.namespace ?? '', object.metadata.name ?? '')
}

function asObject(body: unknown): FakeObject {
  if (typeof body !== 'object' || body === null) throw new FakeStatus(400, 'BadRequest', 'the body is no object')
  const object = body as Partial<FakeObject>
  return { ...object, metadata: { ...object.metadata } }
}

function writeToken(revision: number, after: string): string {
  return Buffer.from(`${revision} ${after}`).toString('base64url')
}

function readToken(token: string): { readonly revision: number, readonly after: string } {
  const [revision, ...after] = Buffer.from(token, 'base64url').toString('utf8').split(' ')
  return { revision: Number(revision), after: after.join(' ') }
}
