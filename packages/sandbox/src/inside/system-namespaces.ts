import { isAlreadyExists, type KubeClient } from '@weft/kube'

/** Namespaces that every cluster has from its first moment. */
const names = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

export async function createSystemNamespaces(kube: KubeClient): Promise<void> {
  for (const name of names) {
    try {
      await kube.request('POST', '/api/v1/namespaces', { body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } })
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
  }
}
