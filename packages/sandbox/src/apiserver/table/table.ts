// Read first: https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
import { asKubeObject, type JsonObject, type KubeObject } from '../json.ts'
import type { Kind } from '../kind.ts'
import { bookmarkObject } from '../render.ts'
import type { Stored } from '../stored.ts'
import type { Column } from './column.ts'

const DEFAULT_COLUMNS: readonly Column[] = [
  { name: 'Name', type: 'string', format: 'name', cell: object => object.metadata.name },
  { name: 'Created At', type: 'date', cell: object => object.metadata.creationTimestamp },
]

/** Objects as a Table. */
export function tableJson(kind: Kind, items: readonly Stored[], options: { metadata: JsonObject, now: number, query: URLSearchParams }): string {
  const columns = kind.columns ?? DEFAULT_COLUMNS
  const include = options.query.get('includeObject') ?? 'Metadata'
  const rows = items.map(item => row(columns, item.object, { include, now: options.now, view: kind.fromStorage }))
  return JSON.stringify({ ...head(options.metadata), columnDefinitions: definitions(columns), rows })
}

function head(metadata: JsonObject): JsonObject {
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata }
}

function definitions(columns: readonly Column[]): JsonObject[] {
  return columns.map(column => ({ name: column.name, type: column.type, format: column.format ?? '', description: column.description ?? '', priority: column.priority ?? 0 }))
}

/** Cells are made from the storage form, so kinds that share a storage share columns. */
function row(columns: readonly Column[], stored: KubeObject, options: { include: string, now: number, view: Kind['fromStorage'] }): JsonObject {
  const cells = columns.map(column => column.cell(stored, options.now))
  const object = options.view?.(stored) ?? stored
  switch (options.include) {
    case 'None': return { cells }
    case 'Object': return { cells, object }
    default: return { cells, object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata } }
  }
}

/** Writes the objects of a watch as Tables of one row; only the first names the columns. */
export class TableWriter {
  readonly #kind: Kind
  readonly #columns: readonly Column[]
  readonly #include: string
  readonly #now: () => number
  #first = true

  constructor(kind: Kind, query: URLSearchParams, now: () => number) {
    this.#kind = kind
    this.#columns = kind.columns ?? DEFAULT_COLUMNS
    this.#include = query.get('includeObject') ?? 'Metadata'
    this.#now = now
  }

  object(item: Stored): string {
    return this.#table(item.object, row(this.#columns, item.object, { include: this.#include, now: this.#now(), view: this.#kind.fromStorage }))
  }

  bookmark(revision: number, initialEventsEnd: boolean): string {
    const object = asKubeObject(bookmarkObject(this.#kind, revision, initialEventsEnd))
    return this.#table(object, { cells: this.#columns.map(() => null), object })
  }

  #table(object: KubeObject, only: JsonObject): string {
    const table: JsonObject = { ...head({ resourceVersion: object.metadata.resourceVersion }), rows: [only] }
    if (this.#first) table['columnDefinitions'] = definitions(this.#columns)
    this.#first = false
    return JSON.stringify(table)
  }
}
