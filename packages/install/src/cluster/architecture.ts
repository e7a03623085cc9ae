import type { NodeName } from '@weft/api'
import { getObject, type KubeConnection } from '@weft/kube'

/** What runtimes and kernels say of a program, or of an image, that is for another processor. */
const wrong = /exec format error|no match for platform|no matching manifest for|image might be filtered out/

/** @param said Of a container that does not start, by runtime or kernel. */
export function isWrongArchitecture(said: string): boolean {
  return wrong.test(said)
}

/** One sentence: an image and a node that do not fit, and what to do. */
export function wrongArchitecture(image: string, { node, architecture }: { readonly node: string, readonly architecture: string | undefined }): string {
  const wanted = architecture ?? 'its own architecture'
  return `the image ${image} is not for node "${node}", which needs ${wanted}; build it for that (weft image build --platform linux/${architecture ?? 'ARCHITECTURE'}) and load it there, or name one for all architectures of the cluster with --image`
}

/** As its kubelet says; undefined when that cannot be read. */
export async function architectureOf(kube: KubeConnection, node: NodeName): Promise<string | undefined> {
  const object = await getObject<{ readonly status?: { readonly nodeInfo?: { readonly architecture?: string } } }>(kube, `/api/v1/nodes/${node}`).catch(() => undefined)
  return object?.status?.nodeInfo?.architecture
}
