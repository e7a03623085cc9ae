// Read first: https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
import type { JsonObject, KubeObject } from '../json.ts'
import type { Kind } from '../kind.ts'
import { bookmarkObject } from '../render.ts'
import type { Stored } from '../stored.ts'
import { age } from './age.ts'
import type { Column } from './column.ts'

const DEFAULT_COLUMNS: readonly Column[] = [
  { name: 'Name', type: 'string', format: 'name', cell: object => object.metadata.name },
  { name: 'Created At', type: 'date', cell: object => object.metadata.creationTimestamp },
]

/** The age column, the last one of most kinds. */
export const ageColumn: Column = { name: 'Age', type: 'string', cell: (object, now) => age(object.metadata.creationTimestamp, now) }

/** Objects as a Table. */
export function tableJson(kind: Kind, items: readonly Stored[], options: { metadata: JsonObject, now: number, query: URLSearchParams }): string {
  const columns = kind.columns ?? DEFAULT_COLUMNS
  const include = options.query.get('includeObject') ?? 'Metadata'
  const rows = items.map(item => row(columns, kind.fromStorage?.(item.object) ?? item.object, { include, now: options.now }))
  return JSON.stringify({ ...head(options.metadata), columnDefinitions: definitions(columns), rows })
}

function head(metadata: JsonObject): JsonObject {
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata }
}

function definitions(columns: readonly Column[]): JsonObject[] {
  return columns.map(column => ({ name: column.name, type: column.type, format: column.format ?? '', description: column.description ?? '', priority: column.priority ?? 0 }))
}

function row(columns: readonly Column[], object: KubeObject, options: { include: string, now: number }): JsonObject {
  const cells = columns.map(column => column.cell(object, options.now))
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
    const object = this.#kind.fromStorage?.(item.object) ?? item.object
    return this.#table(object, row(this.#columns, object, { include: this.#include, now: this.#now() }))
  }

  bookmark(revision: number, initialEventsEnd: boolean): string {
    const object = bookmarkObject(this.#kind, revision, initialEventsEnd) as KubeObject
    return this.#table(object, { cells: this.#columns.map(() => null), object })
  }

  #table(object: KubeObject, only: JsonObject): string {
    const table: JsonObject = { ...head({ resourceVersion: object.metadata.resourceVersion }), rows: [only] }
    if (this.#first) table['columnDefinitions'] = definitions(this.#columns)
    this.#first = false
    return JSON.stringify(table)
  }
}
