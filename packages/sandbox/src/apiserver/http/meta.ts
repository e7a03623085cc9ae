import type { FastifyReply } from 'fastify'
import type { Api } from '../api.ts'
import { aggregatedDiscovery, discoveryAt, versionInfo } from '../discovery.ts'
import { asJson, asObject, type JsonObject } from '../json.ts'
import { openApiAt } from '../openapi.ts'
import type { ApiRequest } from '../request.ts'
import { badRequest } from '../status.ts'
import { readAccept } from './accept.ts'

const HEALTH_PATHS = new Set(['/healthz', '/livez', '/readyz'])

/** Whether a path tells of health only: the one thing strangers may ask. */
export function isHealthPath(path: string): boolean {
  return HEALTH_PATHS.has(path)
}

/** Answers what is about the API itself (version, discovery, OpenAPI, faults, audit); undefined for everything else. */
export async function answerMeta(api: Api, request: ApiRequest, accept: string | undefined, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const { path } = request
  const json = (body: JsonObject, type = 'application/json'): FastifyReply => reply.type(type).send(JSON.stringify(body))
  if (path === '/weft/faults') return json(onFaults(api, request))
  if (path === '/weft/audit') return json(api.audit.toJson())
  if (request.method !== 'GET') return undefined
  if (path === '/version') return json(versionInfo)
  const { registry } = api.context
  if ((path === '/api' || path === '/apis') && readAccept(accept).aggregatedDiscovery) {
    return json(aggregatedDiscovery(registry, path), 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')
  }
  const document = discoveryAt(registry, path) ?? openApiAt(registry, path)
  return document === undefined ? undefined : json(document)
}

function onFaults(api: Api, request: ApiRequest): JsonObject {
  if (request.method === 'PUT' || request.method === 'POST') {
    const body = asObject(request.body)
    if (body === undefined) throw badRequest('a fault plan must be a JSON object')
    const { expireWatches, ...plan } = body
    api.faults.set(plan)
    if (expireWatches === true) api.faults.expireWatches()
  }
  return { ...asObject(asJson(api.faults.plan)) }
}
