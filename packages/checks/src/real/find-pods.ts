import { type NodeName, type Pod, podResource } from '@weft/api'
import { type KubeConnection, listObjects } from '@weft/kube'

const agentPods = 'app.kubernetes.io/name=weft,app.kubernetes.io/component=agent'

/** A container of ours: labels of its pods, its name, and the admin socket of its program. */
export interface WeftContainer {
  readonly labels: string
  readonly name: string
  readonly socket: string
}

export const agentContainer: WeftContainer = { labels: agentPods, name: 'agent', socket: '/run/weft/admin.sock' }

/** The DNS server beside the agent. */
export const dnsContainer: WeftContainer = { labels: agentPods, name: 'dns', socket: '/run/weft/dns.sock' }

/** A replica of the controller. */
export const controllerContainer: WeftContainer = { labels: 'app.kubernetes.io/name=weft,app.kubernetes.io/component=controller', name: 'controller', socket: '/run/weft/controller.sock' }

interface Where {
  readonly namespace: string
  /** As of `kubectl -l`. */
  readonly labels: string
  /** Of the node they are on. */
  readonly node?: NodeName | undefined
}

/** Pods that are not being deleted. */
export async function findPods(kube: KubeConnection, { namespace, labels, node }: Where): Promise<readonly Pod[]> {
  const { items } = await listObjects(kube, `/api/v1/namespaces/${namespace}/pods`, { labelSelector: labels, ...(node === undefined ? {} : { fieldSelector: `spec.nodeName=${node}` }) })
  return items.map(podResource.trim).filter(({ deleting }) => !deleting)
}

/** The pod of these labels on a node. */
export async function podOn(kube: KubeConnection, node: NodeName, where: Omit<Where, 'node'>): Promise<Pod> {
  const [pod] = await findPods(kube, { ...where, node })
  if (pod === undefined) throw new Error(`Cannot find pod of "${where.labels}" on node "${node}": there is none`)
  return pod
}
