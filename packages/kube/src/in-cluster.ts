import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { KubeConnection } from './client.ts'
import { KubeError } from './errors.ts'
import { createKubeClient, type KubeClientOptions } from './http-client.ts'

export interface InClusterOptions extends Omit<KubeClientOptions, 'server' | 'ca' | 'caFile' | 'token' | 'tokenFile' | 'authorizer'> {
  /**
   * Real addresses of the API server, tried before the Service address: what brings the cluster
   * network up cannot wait for a Service that needs it (LIFE-2).
   */
  readonly servers?: readonly string[] | undefined
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** @default '/var/run/secrets/kubernetes.io/serviceaccount' */
  readonly credentialsFolder?: string | undefined
}

/**
 * Connects as the pod's service account.
 *
 * @throws {KubeError} `ERR_KUBE_CONFIG` outside of a pod.
 */
export function inClusterClient(options: InClusterOptions = {}): KubeConnection {
  const env = options.env ?? process.env
  const folder = options.credentialsFolder ?? '/var/run/secrets/kubernetes.io/serviceaccount'
  const host = env['KUBERNETES_SERVICE_HOST']
  const port = env['KUBERNETES_SERVICE_PORT_HTTPS'] ?? env['KUBERNETES_SERVICE_PORT'] ?? '443'
  const service = host === undefined || host === '' ? [] : [`https://${host.includes(':') ? `[${host}]` : host}:${port}`]
  const server = [...options.servers ?? [], ...options.learned ?? [], ...service]
  if (server.length === 0) throw new KubeError('ERR_KUBE_CONFIG', 'Cannot create client "in-cluster": KUBERNETES_SERVICE_HOST is not set, want to run in a pod or to be given servers')
  const tokenFile = join(folder, 'token')
  const caFile = join(folder, 'ca.crt')
  for (const file of [tokenFile, caFile]) {
    if (!existsSync(file)) throw new KubeError('ERR_KUBE_CONFIG', `Cannot create client "in-cluster": ${file} is missing, want a mounted service account token`)
  }
  return createKubeClient({ ...options, server, tokenFile, caFile })
}
