import type { Api } from '../api.ts'
import { asText, objectsIn, valueAt } from '../json.ts'
import { parseResourcePath } from '../path.ts'
import type { PodRuntime } from '../pod-runtime.ts'
import { ApiError, badRequest } from '../status.ts'
import { getObject } from '../verbs/update.ts'

/** A container that a log or exec request is about. */
export interface PodTarget {
  readonly runtime: PodRuntime
  readonly namespace: string
  readonly name: string
  readonly container: string
}

/**
 * Whether a path names this subresource of a pod.
 *
 * @param path Without the query.
 */
export function isPodStream(path: string, subresource: 'log' | 'exec'): boolean {
  return path.endsWith(`/${subresource}`) && parseResourcePath(path)?.resource === 'pods' && parseResourcePath(path)?.subresource === subresource
}

/**
 * The container that a log or exec request means.
 *
 * @throws {ApiError} 404 without such a pod, 400 when the container is not clear, 501 without a runtime.
 */
export function podTarget(api: Api, path: string, query: URLSearchParams): PodTarget {
  const { namespace = '', name = '' } = parseResourcePath(path) ?? {}
  const pod = getObject(api.context, { kind: api.context.registry.find('', 'v1', 'pods')!, namespace, name }).object
  const names = ['spec.containers', 'spec.initContainers', 'spec.ephemeralContainers'].flatMap(list => objectsIn(valueAt(pod, list)).map(container => asText(container['name'])!))
  const asked = query.get('container') ?? ''
  const main = objectsIn(valueAt(pod, 'spec.containers')).map(container => asText(container['name'])!)
  if (asked === '' && main.length > 1) throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${main.join(' ')}]`)
  if (asked !== '' && !names.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${name}`)
  const container = asked === '' ? main[0]! : asked
  if (asText(valueAt(pod, 'spec.nodeName')) === undefined) throw badRequest(`pod ${name} does not have a host assigned`)
  if (api.podRuntime === undefined) throw new ApiError(501, 'NotImplemented', 'this API server has no pod runtime')
  return { runtime: api.podRuntime, namespace, name, container }
}
