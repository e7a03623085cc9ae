import type { Kind } from '../kind.ts'
import { builtinColumns } from '../table/columns.ts'

type Given = Pick<Kind, 'group' | 'version' | 'kind' | 'resource'> & Partial<Omit<Kind, 'subresources'>> & { readonly subresources?: readonly ('status' | 'scale' | 'log' | 'exec' | 'binding' | 'eviction' | 'finalize' | 'token')[] }

/** A built-in kind: namespaced and strategic unless said otherwise. */
export function defineKind(given: Given): Kind {
  const storageName = given.group === '' ? given.resource : `${given.resource}.${given.group}`
  return {
    singular: given.kind.toLowerCase(),
    namespaced: true,
    strategic: true,
    storage: storageName,
    columns: builtinColumns[given.storage ?? storageName],
    ...given,
    subresources: new Set(given.subresources),
  }
}
