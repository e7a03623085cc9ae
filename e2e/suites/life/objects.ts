import { type Cluster, demoNamespace } from '@weft/checks'
import { isNotFound } from '@weft/kube'

export interface PodText {
  readonly metadata: { readonly name: string, readonly uid: string, readonly deletionTimestamp?: string, readonly labels?: Readonly<Record<string, string>> }
  readonly spec: { readonly nodeName?: string }
  readonly status?: {
    readonly podIP?: string
    readonly podIPs?: readonly { readonly ip: string }[]
    readonly conditions?: readonly { readonly type: string, readonly status: string }[]
    readonly containerStatuses?: readonly { readonly name: string, readonly containerID?: string, readonly restartCount: number }[]
  }
}

/** Labels of everything the suite makes. */
export const suiteLabels: Readonly<Record<string, string>> = { life: 'yes' }
export const systemPods = '/api/v1/namespaces/kube-system/pods'
export const demoPods: string = `/api/v1/namespaces/${demoNamespace}/pods`

export function isReady({ status, metadata }: PodText): boolean {
  return metadata.deletionTimestamp === undefined && status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true
}

export async function listPods({ kube }: Cluster, path: string, query: { readonly labelSelector?: string, readonly fieldSelector?: string } = {}): Promise<readonly PodText[]> {
  return (await kube.request<{ readonly items: readonly PodText[] }>('GET', path, { query })).items
}

/** The agents' pods that stay. */
export async function agentPods(cluster: Cluster): Promise<readonly PodText[]> {
  return (await listPods(cluster, systemPods, { labelSelector: 'app.kubernetes.io/name=weft,app.kubernetes.io/component=agent' })).filter(({ metadata }) => metadata.deletionTimestamp === undefined)
}

/** A pod of the probe program; what is given stands over that. */
export async function createPod({ kube, probe }: Cluster, name: string, { args = ['netexec', '--http-port=8080', '--udp-port=8081'], container = {}, labels = {}, namespace = demoNamespace, spec = {} }: { readonly args?: readonly string[], readonly container?: object, readonly labels?: Readonly<Record<string, string>>, readonly namespace?: string, readonly spec?: object } = {}): Promise<void> {
  await kube.request('POST', `/api/v1/namespaces/${namespace}/pods`, {
    body: {
      apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { ...suiteLabels, ...labels } },
      spec: { terminationGracePeriodSeconds: 0, automountServiceAccountToken: false, containers: [{ name: 'main', image: probe.image, command: probe.command, args, ...container }], ...spec },
    },
  })
}

/** Deletes objects; those that are not there are fine. */
export async function remove({ kube }: Cluster, ...paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map(async (path) => kube.request('DELETE', path).catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })))
}

/** Rolls a workload's pods by an annotation of their template, as `kubectl rollout restart` does. */
export async function restartRollout({ kube }: Cluster, path: string): Promise<void> {
  await kube.request('PATCH', path, { contentType: 'application/merge-patch+json', body: { spec: { template: { metadata: { annotations: { 'weft.dev/rolled': new Date().toISOString() } } } } } })
}
