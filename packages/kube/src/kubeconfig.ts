import type { OutgoingHttpHeaders } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { KubeConnection } from './client.ts'
import type { Authorizer } from './credentials.ts'
import { KubeError } from './errors.ts'
import { createKubeClient, type KubeClientOptions } from './http-client.ts'

export interface KubeconfigOptions extends Omit<KubeClientOptions, 'server' | 'ca' | 'caFile' | 'cert' | 'certFile' | 'key' | 'keyFile' | 'token' | 'tokenFile' | 'authorizer' | 'tlsServerName' | 'insecureSkipTlsVerify'> {
  /** @default the file's current context */
  readonly context?: string | undefined
  /** Other addresses of the same cluster, tried after the one in the file. */
  readonly servers?: readonly string[] | undefined
}

/** What client-node fills in when asked how to reach the server. */
interface HttpsFields {
  ca?: string | Buffer
  cert?: string | Buffer
  key?: string | Buffer
  auth?: string
  headers?: OutgoingHttpHeaders
}

/**
 * Connects as a kubeconfig says, with every way to authenticate that client-node knows (exec
 * plugins, OIDC, …). Loads client-node (270 ms, 131 MB) now, and only here.
 *
 * @param path A kubeconfig file; without one `$KUBECONFIG`, then `~/.kube/config`.
 * @throws {KubeError} `ERR_KUBE_CONFIG` when the file cannot be used.
 */
export async function kubeconfigClient(path?: string, options: KubeconfigOptions = {}): Promise<KubeConnection> {
  const file = path ?? process.env['KUBECONFIG'] ?? join(homedir(), '.kube', 'config')
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  const fields: HttpsFields = {}
  try {
    config.loadFromFile(file)
    if (options.context !== undefined) config.setCurrentContext(options.context)
    await config.applyToHTTPSOptions(fields)
  } catch (error) {
    throw new KubeError('ERR_KUBE_CONFIG', `Cannot use kubeconfig "${file}": ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw new KubeError('ERR_KUBE_CONFIG', `Cannot use kubeconfig "${file}": context "${config.getCurrentContext()}" has no cluster, want one`)
  if (cluster.proxyUrl !== undefined) throw new KubeError('ERR_KUBE_CONFIG', `Cannot use kubeconfig "${file}": proxy-url is not supported, want a direct address`)
  const { servers, context: _context, ...rest } = options
  return createKubeClient({
    ...rest,
    server: [cluster.server, ...servers ?? []],
    ca: pem(fields.ca),
    cert: pem(fields.cert),
    key: pem(fields.key),
    tlsServerName: cluster.tlsServerName,
    insecureSkipTlsVerify: cluster.skipTLSVerify,
    authorizer: authorizerOf(async () => {
      const fresh: HttpsFields = {}
      await config.applyToHTTPSOptions(fresh)
      return fresh
    }, options.clock ?? performance),
  })
}

/** Asking client-node reads certificate files and may run a plugin; once a minute is enough. */
const askMs = 60_000

function authorizerOf(ask: () => Promise<HttpsFields>, clock: { now(): number }): Authorizer {
  let answer: Promise<string | undefined> | undefined
  let askedAt = -Infinity
  return {
    async authorization(fresh) {
      if (answer === undefined || fresh || clock.now() - askedAt >= askMs) {
        askedAt = clock.now()
        answer = ask().then((fields) => {
          if (fields.auth !== undefined) return `Basic ${Buffer.from(fields.auth).toString('base64')}`
          const header = fields.headers?.['Authorization']
          return typeof header === 'string' ? header : undefined
        })
      }
      try {
        return await answer
      } catch (error) {
        answer = undefined
        throw new KubeError('ERR_KUBE_CONFIG', 'Cannot authenticate as the kubeconfig says: its plugin failed', { cause: error })
      }
    },
  }
}

function pem(value: string | Buffer | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value.toString('utf8')
}
