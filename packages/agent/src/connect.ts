import type { Logger } from '@weft/daemon'
import { inClusterClient, type KubeClient, kubeconfigClient } from '@weft/kube'
import type { ConnectionConfig } from './config.ts'

/** The client of the API server that configuration asks for; @kubernetes/client-node is only loaded for a kubeconfig. */
export async function connect({ servers, credentialsFolder, kubeconfig }: ConnectionConfig, logger: Logger): Promise<KubeClient> {
  if (kubeconfig !== undefined) return await kubeconfigClient(kubeconfig)
  logger.debug({ servers }, 'using the service account')
  return inClusterClient({ servers, credentialsFolder })
}
