import { podResource } from '@weft/api'
import { type KubeConnection, listObjects } from '@weft/kube'

/** What of a Pod tells whether it is on the network of pods; one that is odd otherwise counts all the same. */
interface PodText {
  readonly metadata: { readonly namespace: string }
  readonly spec: { readonly hostNetwork?: boolean }
  readonly status?: { readonly phase?: string, readonly podIPs?: readonly unknown[] }
}

/** How many pods run on the network of pods, by namespace, in order of name: those that lose theirs when it goes. */
export async function countNetworkedPods(kube: KubeConnection, { signal }: { readonly signal: AbortSignal }): Promise<Readonly<Record<string, number>>> {
  const pods = (await listObjects(kube, podResource.path, { signal })).items as readonly PodText[]
  const networked = pods.filter(({ spec, status }) => spec.hostNetwork !== true && (status?.podIPs ?? []).length > 0 && status?.phase !== 'Succeeded' && status?.phase !== 'Failed')
  const counts = [...Map.groupBy(networked, ({ metadata }) => metadata.namespace)].map(([namespace, { length }]) => [namespace, length] as const)
  return Object.fromEntries(counts.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
