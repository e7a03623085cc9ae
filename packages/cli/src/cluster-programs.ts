import { type AdminClient, adminClient, type AdminDoor, agentCalls, type AgentCalls, controllerCalls, type ControllerCalls, dnsCalls, type DnsCalls, type NodeName, nodeResource, parseNodeName } from '@weft/api'
import { agentContainer, type ClusterOptions, connectCluster, controllerContainer, dnsContainer, findPods, podDoor, podOn, type WeftContainer } from '@weft/checks'
import { type KubeClient, type KubeConnection, listObjects } from '@weft/kube'
import { sandboxCluster, SandboxClient } from '@weft/sandbox'
import { sandboxDir } from './paths.ts'

/** What runs of ours in a cluster, each to be asked over its admin socket. */
export interface ClusterPrograms extends AsyncDisposable {
  readonly kube: KubeClient
  /** Names of nodes, ready ones first. */
  nodes(): Promise<readonly NodeName[]>
  agent(node: NodeName): Promise<AdminClient<AgentCalls>>
  dns(node: NodeName): Promise<AdminClient<DnsCalls>>
  /** Each replica. */
  controllers(): Promise<readonly AdminClient<ControllerCalls>[]>
}

/** Those of the cluster that the options name, or of the sandbox. */
export async function openPrograms(options: ClusterOptions): Promise<ClusterPrograms> {
  return options.cluster === undefined && options.kubeconfig === undefined && options.context === undefined ? await sandboxPrograms() : await installedPrograms(options)
}

async function sandboxPrograms(): Promise<ClusterPrograms> {
  const client = new SandboxClient(sandboxDir)
  const cluster = await sandboxCluster(sandboxDir)
  return {
    kube: cluster.kube,
    nodes: async () => (await client.status()).nodes.toSorted((a, b) => Number(b.ready) - Number(a.ready)).map(({ name }) => parseNodeName(name)),
    agent: async (node) => adminClient(agentCalls, client.admin('agents', node)),
    dns: async (node) => adminClient(dnsCalls, client.admin('dns', node)),
    controllers: async () => [adminClient(controllerCalls, client.admin('controllers', 'cluster'))],
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}

async function installedPrograms(options: ClusterOptions): Promise<ClusterPrograms> {
  const real = await connectCluster(options)
  return { ...programsOf(real.kube), [Symbol.asyncDispose]: () => real[Symbol.asyncDispose]() }
}

/** Those that `weft install` brought to a cluster. */
export function programsOf(kube: KubeConnection): Omit<ClusterPrograms, typeof Symbol.asyncDispose> {
  const doorOn = async (node: NodeName, container: WeftContainer): Promise<AdminDoor> => podDoor(kube, await podOn(kube, node, { namespace, labels: container.labels }), container)
  return {
    kube,
    async nodes() {
      const nodes = (await listObjects(kube, nodeResource.path)).items as readonly NodeConditions[]
      const isReady = ({ status }: NodeConditions): boolean => status?.conditions?.some(({ type, status: state }) => type === 'Ready' && state === 'True') === true
      return nodes.toSorted((a, b) => Number(isReady(b)) - Number(isReady(a))).map(({ metadata: { name } }) => parseNodeName(name))
    },
    agent: async (node) => adminClient(agentCalls, await doorOn(node, agentContainer)),
    dns: async (node) => adminClient(dnsCalls, await doorOn(node, dnsContainer)),
    controllers: async () => (await findPods(kube, { namespace, labels: controllerContainer.labels })).map((pod) => adminClient(controllerCalls, podDoor(kube, pod, controllerContainer))),
  }
}

const namespace = 'kube-system'

/** What of a Node tells whether it is ready. */
interface NodeConditions {
  readonly metadata: { readonly name: string }
  readonly status?: { readonly conditions?: readonly { readonly type: string, readonly status: string }[] }
}
