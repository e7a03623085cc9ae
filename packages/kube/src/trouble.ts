import { messageOf } from '@weft/daemon/message-of'
import { isKubeError, isUnreachable } from './errors.ts'

/**
 * What keeps a kind of objects from being followed, with what is to be done: one sentence that names whoever is concerned, the kind or the API server.
 *
 * @param resource As in RBAC rules, e.g. `pods`.
 */
export function troubleOf(resource: string, error: unknown): string {
  // The path that was asked for says less than the name of the kind.
  const what = messageOf(error).replace(/^Cannot \S+ \S+: /, '')
  if (isUnreachable(error)) return `the API server: ${what}; wanted one that answers: look at it, at the route there and at the addresses that are configured`
  if (isKubeError(error) && error.status === 401) return `the API server: ${what}; wanted credentials that it takes: is it the API server of this cluster, and does the service account exist?`
  if (isKubeError(error) && error.status === 403) return `${resource}: ${what}; apply the ClusterRole that comes with this version`
  return `${resource}: ${what}`
}
