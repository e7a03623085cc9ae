import { deleteObject, type DeleteOptions } from './delete.ts'
import { listObjects, type ObjectList, type PagedLists, type Scope } from './list.ts'
import type { VerbContext } from './context.ts'

/** Deletes every object that the query selects; gives them as they were. */
export function deleteCollection(context: VerbContext, scope: Scope, query: URLSearchParams, more: { options: DeleteOptions, pages: PagedLists }): ObjectList {
  const selection = new URLSearchParams(query)
  selection.delete('resourceVersion')
  const found = listObjects(context, scope, selection, more.pages)
  const list = { ...found, items: [...found.items] }
  for (const { object } of list.items) {
    const { name, namespace } = object.metadata
    deleteObject(context, { kind: scope.kind, namespace, name }, more.options)
  }
  return list
}
