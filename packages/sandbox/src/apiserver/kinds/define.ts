import type { Kind } from '../kind.ts'

type Given = Pick<Kind, 'group' | 'version' | 'kind' | 'resource'> & Partial<Omit<Kind, 'subresources'>> & { readonly subresources?: readonly ('status' | 'scale' | 'log' | 'exec' | 'binding' | 'eviction' | 'finalize' | 'token')[] }

/** A built-in kind: namespaced and strategic unless said otherwise. */
export function defineKind(given: Given): Kind {
  return {
    singular: given.kind.toLowerCase(),
    namespaced: true,
    strategic: true,
    storage: given.group === '' ? given.resource : `${given.resource}.${given.group}`,
    ...given,
    subresources: new Set(given.subresources),
  }
}
