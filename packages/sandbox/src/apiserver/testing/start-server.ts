/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { realClock, type Clock } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { createKubeClient, type KubeClient } from '@weft/kube'
import type { JsonObject } from '../json.ts'
import type { PodRuntime } from '../pod-runtime.ts'
import { createApiServer, type ApiServer, type ApiServerConfig } from '../server.ts'

/** A server on 127.0.0.1 in a folder of its own, with a client that speaks HTTPS to it. */
export interface StartedServer extends AsyncDisposable {
  readonly server: ApiServer
  readonly client: KubeClient
  /** E.g. `https://127.0.0.1:41234`. */
  readonly url: string
  readonly folder: string
}

/** Starts a server; `folder` reopens an earlier one's state. */
export async function startServer(options: { config?: ApiServerConfig, clock?: Clock, podRuntime?: PodRuntime, folder?: string } = {}): Promise<StartedServer> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'weft-apiserver-')))
  const server = await createApiServer({ stateDir: folder, config: options.config, clock: options.clock ?? realClock, logger: silentLogger, podRuntime: options.podRuntime })
  const { port } = await server.serve({ host: '127.0.0.1', port: 0 })
  const url = `https://127.0.0.1:${port}`
  const client = createKubeClient({ server: url, ca: server.ca, token: server.adminToken })
  return {
    server, client, url, folder,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      await server.close()
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A GET with the headers given and no others, whatever it answers. */
export async function rawGet({ url, server }: StartedServer, path: string, headers: Record<string, string>): Promise<{ status: number, body: string, headers: Record<string, unknown> }> {
  const dispatcher = new Agent({ connect: { ca: server.ca } })
  const answer = await request(`${url}${path}`, { headers, dispatcher })
  const body = await answer.body.text()
  await dispatcher.close()
  return { status: answer.statusCode, body, headers: answer.headers }
}

/** Makes the namespace that most tests use. */
export async function makeDefaultNamespace(client: KubeClient): Promise<void> {
  await client.request('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } })
}

export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
export const PODS = '/api/v1/namespaces/default/pods'
export const SERVICES = '/api/v1/namespaces/default/services'

/** A ConfigMap. */
export function configMap(name: string, data: Record<string, string> = {}, labels?: Record<string, string>): JsonObject {
  return { metadata: { name, ...(labels === undefined ? {} : { labels }) }, data }
}

/** A pod of one container. */
export function pod(name: string, more: JsonObject = {}): JsonObject {
  return { metadata: { name }, spec: { containers: [{ name: 'main', image: 'web:1' }], ...more } }
}

/** What a promise was rejected with. */
export async function failure(promise: Promise<unknown>): Promise<{ status: number, reason: string, message: string }> {
  try {
    await promise
  } catch (error) {
    return error as { status: number, reason: string, message: string }
  }
  throw new Error('expected a failure')
}
