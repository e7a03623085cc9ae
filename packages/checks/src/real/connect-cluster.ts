import { fileURLToPath } from 'node:url'
import { type KubeConnection, kubeconfigClient, listObjects } from '@weft/kube'
import type { ProbeImage } from '../cluster.ts'
import { type ClusterDescriptor, readDescriptor } from './descriptor.ts'
import { agentContainer } from './find-pods.ts'
import { type OpenCluster, openCluster } from './open-cluster.ts'

/** Which cluster a command is about, as its options say. */
export interface ClusterOptions {
  /** File with a cluster descriptor. */
  readonly cluster?: string | undefined
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
}

/** Where a real cluster's API answers, and its machines when a descriptor tells them. */
export interface RealCluster extends AsyncDisposable {
  readonly kube: KubeConnection
  readonly kubeconfig: string | undefined
  readonly machines: ClusterDescriptor | undefined
}

/** @throws {KubeError} `ERR_KUBE_CONFIG` when the kubeconfig cannot be used. */
export async function connectCluster({ cluster, kubeconfig, context }: ClusterOptions): Promise<RealCluster> {
  const machines = cluster === undefined ? undefined : await readDescriptor(cluster)
  const path = machines?.kubeconfig ?? kubeconfig
  const kube = await kubeconfigClient(path, { context })
  return { kube, kubeconfig: path, machines, [Symbol.asyncDispose]: () => kube[Symbol.asyncDispose]() }
}

/** Opens an installed cluster for proofs: the probe comes out of the image its agents run. */
export async function openInstalled({ kube, machines }: RealCluster): Promise<OpenCluster> {
  return await openCluster({ kube, machines, localProbe: localProbe(), probe: await probeOf(kube) })
}

async function probeOf(kube: KubeConnection): Promise<ProbeImage> {
  const { items } = await listObjects(kube, '/apis/apps/v1/namespaces/kube-system/daemonsets', { labelSelector: agentContainer.labels })
  const [set] = items as readonly { readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { readonly name: string, readonly image: string }[] } } } }[]
  const image = set?.spec.template.spec.containers.find(({ name }) => name === agentContainer.name)?.image
  if (image === undefined) throw new Error('Cannot find Weft in this cluster: no DaemonSet of its agents is in kube-system; `weft install` makes one')
  return { image, command: ['weft-probe'] }
}

/** The probe beside this program, as source or as bundled. */
function localProbe(): readonly string[] {
  return [process.execPath, fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../../sandbox/src/probe/main.ts' : './weft-probe.js', import.meta.url))]
}
