import type { Logger } from '@weft/daemon'
import { inClusterClient, type KubeConnection, kubeconfigClient } from '@weft/kube'
import { readServers } from './api-servers.ts'
import type { ConnectionConfig } from './config.ts'

/** The client of the API server that configuration asks for; @kubernetes/client-node is only loaded for a kubeconfig. */
export async function connect({ servers, serversPath, credentialsFolder, kubeconfig }: ConnectionConfig, logger: Logger): Promise<KubeConnection> {
  if (kubeconfig !== undefined) return await kubeconfigClient(kubeconfig)
  const learned = readServers(serversPath)
  logger.debug({ servers, learned }, 'using the service account')
  return inClusterClient({ servers, learned, credentialsFolder })
}
