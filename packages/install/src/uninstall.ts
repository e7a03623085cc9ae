import { nodeResource } from '@weft/api'
import type { Clock } from '@weft/daemon'
import { getObject, isNotFound, type KubeConnection, listObjects } from '@weft/kube'
import { manifests, type Values, valuesSchema } from '@weft/manifests'
import { InstallError } from './errors.ts'
import { type NodeOutcome, type NodeProgram, runOnNodes } from './node-pods.ts'
import { deleteAll, pathOf } from './objects.ts'
import { giveBack } from './takeover.ts'

export interface UninstallOptions {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly timeoutMs: number
  readonly onProgress: (message: string) => void
}

export interface Uninstalled {
  /** What each node said when it was cleaned. */
  readonly nodes: readonly NodeOutcome[]
  readonly givenBack: readonly string[]
}

const pollMs = 300
/** Of the node, writable: what an installation writes on it. */
const cleanProgram = (image: string, { binDir, confDir }: Values['cni']): NodeProgram => ({
  name: 'weft-clean',
  image,
  command: ['weft', 'node-clean', '--bin-dir', '/host/bin', '--conf-dir', '/host/net.d', '--folder', '/host/state', '/host/run'],
  capabilities: ['NET_ADMIN', 'DAC_OVERRIDE'],
  folders: [
    { path: binDir, at: '/host/bin', writable: true },
    { path: confDir, at: '/host/net.d', writable: true },
    { path: '/var/lib/cni/weft', at: '/host/state', writable: true },
    { path: '/run/weft', at: '/host/run', writable: true },
  ],
})

/**
 * Takes Weft away: kube-proxy and CoreDNS get their work back, programs end, every node is cleaned, and the objects go.
 * Pods that run keep their processes and lose their network.
 *
 * @throws {InstallError} `ERR_INSTALL_LEFT` when a node could not be cleaned; it names the node and what is left.
 */
export async function uninstall(kube: KubeConnection, { signal, clock, timeoutMs, onProgress }: UninstallOptions): Promise<Uninstalled> {
  const objects = manifests(valuesSchema.parse({ apiServers: ['https://127.0.0.1'] }))
  const image = await installedImage(kube)
  const values = valuesSchema.parse({ apiServers: ['https://127.0.0.1'] })
  onProgress('giving back what others did before')
  const givenBack = await giveBack(kube, { signal })

  onProgress('ending programs')
  const workloads = objects.filter(({ kind }) => kind === 'DaemonSet' || kind === 'Deployment')
  await deleteAll(kube, workloads, { signal })
  await untilGone(kube, { signal, clock, timeoutMs })

  const nodes = (await listObjects(kube, nodeResource.path, { signal })).items.map(nodeResource.trim).map(({ name }) => name)
  // Without an agent's image nothing was ever started here.
  const outcomes = image === undefined ? [] : await runOnNodes(kube, nodes, cleanProgram(image, values.cni), { signal, clock, timeoutMs, onProgress: (done, all) => onProgress(`cleaned ${done} of ${all} nodes`) })
  await Promise.all(nodes.map(async (node) => forgetCondition(kube, node, signal)))

  onProgress('deleting objects')
  await deleteAll(kube, objects.filter((object) => !workloads.includes(object) && !(object.kind === 'Service' && givenBack.includes('Service kube-dns'))), { signal })
  const failed = outcomes.filter(({ ok }) => !ok)
  if (failed.length > 0) throw new InstallError('ERR_INSTALL_LEFT', `Cannot clean every node: ${failed.map(({ node, output }) => `${node}: ${output}`).join('; ')}. Run \`weft node-clean\` there, or restart the machine`)
  return { nodes: outcomes, givenBack }
}

interface AgentSet {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { readonly name: string, readonly image: string }[] } } }
}

/** The image that runs now: the nodes have it. */
async function installedImage(kube: KubeConnection): Promise<string | undefined> {
  const set = manifests(valuesSchema.parse({ apiServers: ['https://127.0.0.1'] })).find(({ kind }) => kind === 'DaemonSet')!
  try {
    return (await getObject<AgentSet>(kube, pathOf(set))).spec.template.spec.containers.find(({ name }) => name === 'agent')?.image
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

async function untilGone(kube: KubeConnection, { signal, clock, timeoutMs }: Pick<UninstallOptions, 'signal' | 'clock' | 'timeoutMs'>): Promise<void> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    const { items } = await listObjects(kube, '/api/v1/namespaces/kube-system/pods', { labelSelector: 'app.kubernetes.io/name=weft,app.kubernetes.io/component in (agent,controller)', signal })
    if (items.length === 0) return
    if (clock.now() > deadline) throw new InstallError('ERR_INSTALL_TIMEOUT', `Cannot end programs: ${items.length} pods are still there after ${timeoutMs / 1000} s; \`kubectl -n kube-system get pods\` shows them`)
    await clock.sleep(pollMs, { signal })
  }
}

/** Nobody would ever clear a condition that its owner left behind. */
async function forgetCondition(kube: KubeConnection, node: string, signal: AbortSignal): Promise<void> {
  await kube.request('PATCH', `/api/v1/nodes/${node}/status`, { signal, contentType: 'application/strategic-merge-patch+json', body: { status: { conditions: [{ type: 'NetworkUnavailable', $patch: 'delete' }] } } })
}
