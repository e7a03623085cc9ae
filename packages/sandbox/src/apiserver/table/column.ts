import type { Json, KubeObject } from '../json.ts'

/** One column of a kubectl table. */
export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  readonly format?: string | undefined
  readonly description?: string | undefined
  /** 0 is always shown, 1 only with `-o wide`. */
  readonly priority?: 0 | 1 | undefined
  /** The cell; ages are computed from `now`, milliseconds since the epoch. */
  readonly cell: (object: KubeObject, now: number) => Json
}
