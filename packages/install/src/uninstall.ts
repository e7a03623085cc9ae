import { type NodeName, nodeResource } from '@weft/api'
import type { Clock } from '@weft/daemon'
import { deleteObject, isNotFound, type KubeConnection, listObjects, patchObject } from '@weft/kube'
import { manifests, valuesSchema } from '@weft/manifests'
import { InstallError } from './errors.ts'
import { type NodeOutcome, type NodeProgram, runOnNodes } from './node-pods.ts'
import { deleteAll, findObject, pathOf } from './objects.ts'
import { countNetworkedPods } from './pod-network.ts'
import { giveBack, nowhere, releaseDnsService } from './takeover.ts'

export interface UninstallOptions {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly timeoutMs: number
  /** Told before anything is changed: how many pods, by namespace, run on and lose their network. */
  readonly onLosing?: ((pods: Readonly<Record<string, number>>) => void) | undefined
  readonly onProgress: (message: string) => void
}

export interface Uninstalled {
  /** What each node said when it was cleaned. */
  readonly nodes: readonly NodeOutcome[]
  readonly givenBack: readonly string[]
  /** How many pods, by namespace, run on without a network. */
  readonly losing: Readonly<Record<string, number>>
}

const pollMs = 300
/** Made by the controllers, not by an installation. */
const leasePath = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/weft-controller'
/** Of the node, writable: what an installation writes on it. The nodes have the agent's image, and its volumes say where the node keeps plugins. */
function cleanProgram({ spec: { template: { spec: { containers, volumes = [] } } } }: AgentSet): NodeProgram {
  const folderOf = (volume: string): string => {
    const path = volumes.find(({ name }) => name === volume)?.hostPath?.path
    if (path === undefined) throw new InstallError('ERR_INSTALL_LEFT', `Cannot clean the nodes: the DaemonSet of the agent has no volume "${volume}"`)
    return path
  }
  return {
    name: 'weft-clean',
    image: containers.find(({ name }) => name === 'agent')!.image,
    command: ['weft', 'node-clean', '--bin-dir', '/host/bin', '--conf-dir', '/host/net.d', '--folder', '/host/cni/weft', '/host/run/weft'],
    capabilities: ['NET_ADMIN', 'DAC_OVERRIDE'],
    folders: [
      { path: folderOf('cni-bin'), at: '/host/bin', writable: true },
      { path: folderOf('cni-conf'), at: '/host/net.d', writable: true },
      // What lies in the node's folders goes with them, so those above are mounted.
      { path: '/var/lib/cni', at: '/host/cni', writable: true },
      { path: '/run', at: '/host/run', writable: true },
    ],
  }
}

/**
 * Takes Weft away: kube-proxy and CoreDNS get their work back, programs end, every node is cleaned, and the objects go. Custom resources stay, for
 * with their definitions would go what users wrote. Pods that run keep their processes and lose their network.
 *
 * May be run again after any failure: the agent's DaemonSet, which knows the image and the folders of the nodes, goes only when all of them are clean.
 *
 * @throws {InstallError} `ERR_INSTALL_LEFT` when a node could not be cleaned; it names the node and what is left.
 */
export async function uninstall(kube: KubeConnection, { signal, clock, timeoutMs, onLosing, onProgress }: UninstallOptions): Promise<Uninstalled> {
  const objects = manifests(valuesSchema.parse({ apiServers: ['https://127.0.0.1'] })).filter(({ kind }) => kind !== 'CustomResourceDefinition')
  const agentSet = objects.find(({ kind }) => kind === 'DaemonSet')!
  const agents = await findObject<AgentSet>(kube, pathOf(agentSet))
  // Without an agent this network has no pods.
  const losing = agents === undefined ? {} : await countNetworkedPods(kube, { signal })
  onLosing?.(losing)
  onProgress('giving back what others did before')
  const givenBack = await giveBack(kube, { signal, clock, timeoutMs })

  onProgress('ending programs')
  if (agents !== undefined) await patchObject(kube, pathOf(agentSet), { spec: { template: { spec: { nodeSelector: nowhere } } } }, { type: 'merge', signal })
  await deleteAll(kube, objects.filter(({ kind }) => kind === 'Deployment'), { signal })
  await untilGone(kube, { signal, clock, timeoutMs })
  await releaseDnsService(kube, { signal })

  const nodes = (await listObjects(kube, nodeResource.path, { signal })).items.map(nodeResource.trim).map(({ name }) => name)
  // Without an agent nothing was ever started here, or all nodes are clean already.
  const outcomes = agents === undefined ? [] : await runOnNodes(kube, nodes, cleanProgram(agents), { signal, clock, timeoutMs, onProgress: (done, all) => onProgress(`cleaned ${done} of ${all} nodes`) })
  await Promise.all(nodes.map(async (node) => forgetCondition(kube, node, signal)))
  const failed = outcomes.filter(({ ok }) => !ok)
  if (failed.length > 0) throw new InstallError('ERR_INSTALL_LEFT', `Cannot clean every node: ${failed.map(({ node, output }) => `${node}: ${output}`).join('; ')}. Run \`weft node-clean\` there or restart the machine, then uninstall again`)

  onProgress('deleting objects')
  const dnsService = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === 'kube-dns')!
  const isOurs = (await findObject<SelectingService>(kube, pathOf(dnsService)))?.spec.selector?.['app.kubernetes.io/name'] === 'weft'
  await deleteAll(kube, objects.filter((object) => object !== dnsService || isOurs), { signal })
  await deleteObject(kube, leasePath, { signal })
  return { nodes: outcomes, givenBack, losing }
}

interface AgentSet {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly { readonly name: string, readonly image: string }[]
        readonly volumes?: readonly { readonly name: string, readonly hostPath?: { readonly path: string } }[]
      }
    }
  }
}

interface SelectingService {
  readonly spec: { readonly selector?: Readonly<Record<string, string>> }
}

async function untilGone(kube: KubeConnection, { signal, clock, timeoutMs }: Pick<UninstallOptions, 'signal' | 'clock' | 'timeoutMs'>): Promise<void> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    const { items } = await listObjects(kube, '/api/v1/namespaces/kube-system/pods', { labelSelector: 'app.kubernetes.io/name=weft,app.kubernetes.io/component!=node-program', signal })
    if (items.length === 0) return
    if (clock.now() > deadline) throw new InstallError('ERR_INSTALL_TIMEOUT', `Cannot end programs: ${items.length} pods are still there after ${timeoutMs / 1000} s; \`kubectl -n kube-system get pods\` shows them`)
    await clock.sleep(pollMs, { signal })
  }
}

/** Nobody would ever clear a condition that its owner left behind. */
async function forgetCondition(kube: KubeConnection, node: NodeName, signal: AbortSignal): Promise<void> {
  await kube.request('PATCH', `/api/v1/nodes/${node}/status`, { signal, contentType: 'application/strategic-merge-patch+json', body: { status: { conditions: [{ type: 'NetworkUnavailable', $patch: 'delete' }] } } }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })
}
