import { setTimeout as sleep } from 'node:timers/promises'
import { type Pod, podResource } from '@weft/api'
import type { Cluster } from './cluster.ts'
import { demoManifests, demoNamespace, type Manifest, policyNamespace } from './demo.ts'
import { isAlreadyExists, isForbidden, isNotFound } from '@weft/kube'

interface DeployOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** Called with how many pods are Ready of how many. */
  readonly onProgress?: (ready: number, wanted: number) => void
}

/** How often pods are looked at, in milliseconds. */
const pollMs = 50

/**
 * Creates the demo application, or takes the one that is there, and resolves when all of its pods are Ready.
 *
 * @throws {Error} `ERR_CHECK_DEMO` Naming the pods that are not, with what keeps them.
 */
export async function deployDemo(cluster: Cluster, options: DeployOptions): Promise<void> {
  const { signal, timeoutMs, onProgress } = options
  const manifests = demoManifests(cluster)
  const namespaces = manifests.filter(({ kind }) => kind === 'Namespace')
  const others = manifests.filter(({ kind }) => kind !== 'Namespace')
  const deadline = performance.now() + timeoutMs
  for (const group of [namespaces, others]) await Promise.all(group.map((manifest) => create(cluster, manifest, { signal, deadline })))

  const wanted = others.filter(({ kind }) => kind === 'Pod').length + others.filter(({ kind }) => kind === 'DaemonSet').length * cluster.nodes.length
  const start = performance.now()
  for (;;) {
    const pods = await listPods(cluster)
    const ready = pods.filter((pod) => pod.ready).length
    onProgress?.(ready, wanted)
    if (ready >= wanted) return
    if (performance.now() - start > timeoutMs) throw new DemoError(`Cannot start demo: after ${timeoutMs / 1000} s ${ready} of ${wanted} pods are Ready, not ${(await describeUnready(cluster)).join(', ') || 'all were created'}`)
    await sleep(pollMs, undefined, { signal })
  }
}

/** Takes the demo away; resolves when the API server has begun to. */
export async function deleteDemo({ kube }: Pick<Cluster, 'kube'>): Promise<void> {
  for (const namespace of [demoNamespace, policyNamespace]) {
    await kube.request('DELETE', `/api/v1/namespaces/${namespace}`).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
  }
}

/** The demo application did not come up. */
export class DemoError extends Error {
  readonly code = 'ERR_CHECK_DEMO'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DemoError'
  }
}

async function listPods(cluster: Cluster): Promise<readonly Pod[]> {
  const lists = await Promise.all([demoNamespace, policyNamespace].map((namespace) => cluster.kube.request<{ items: unknown[] }>('GET', `/api/v1/namespaces/${namespace}/pods`)))
  return lists.flatMap(({ items }) => items.map(podResource.trim)).filter((pod) => !pod.deleting)
}

interface PodText {
  readonly metadata: { readonly namespace: string, readonly name: string }
  readonly spec: { readonly nodeName?: string }
  readonly status?: { readonly conditions?: readonly { readonly type: string, readonly status: string }[], readonly containerStatuses?: readonly { readonly state?: { readonly waiting?: { readonly reason?: string, readonly message?: string } } }[] }
}

/** Each pod that is not Ready with what it waits for. */
async function describeUnready(cluster: Cluster): Promise<readonly string[]> {
  const lists = await Promise.all([demoNamespace, policyNamespace].map((namespace) => cluster.kube.request<{ items: readonly PodText[] }>('GET', `/api/v1/namespaces/${namespace}/pods`)))
  return lists.flatMap(({ items }) => items)
    .filter(({ status }) => status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') !== true)
    .map(({ metadata, spec, status }) => {
      const waiting = status?.containerStatuses?.map(({ state }) => state?.waiting).find((each) => each?.reason !== undefined)
      return `${metadata.namespace}/${metadata.name} on ${spec.nodeName ?? 'no node'}${waiting === undefined ? '' : ` (${waiting.reason}${waiting.message === undefined ? '' : `: ${waiting.message}`})`}`
    })
}

/** REST collections of the kinds the demo has. */
const collections: Readonly<Record<string, string>> = { Namespace: 'namespaces', Pod: 'pods', Service: 'services', DaemonSet: 'daemonsets' }

/** A new namespace takes no pods until its service account is there, and one that is going takes nothing at all. */
async function create({ kube }: Cluster, manifest: Manifest, { signal, deadline }: { readonly signal: AbortSignal, readonly deadline: number }): Promise<void> {
  const { apiVersion, kind, metadata } = manifest
  const base = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`
  const scope = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`
  for (;;) {
    try {
      await kube.request('POST', `${base}${scope}/${collections[kind]!}`, { body: manifest, signal })
      return
    } catch (error) {
      if (isAlreadyExists(error)) {
        if (kind !== 'Namespace' || !(await isGoing(kube, metadata.name))) return
      } else if (!isForbidden(error) && !isNotFound(error)) {
        throw error
      }
      if (performance.now() > deadline) throw error
      await sleep(pollMs, undefined, { signal })
    }
  }
}

/** Whether a namespace that was there is not to be used: it goes, or went just now. */
async function isGoing(kube: Cluster['kube'], namespace: string): Promise<boolean> {
  try {
    const { status } = await kube.request<{ readonly status?: { readonly phase?: string } }>('GET', `/api/v1/namespaces/${namespace}`)
    return status?.phase === 'Terminating'
  } catch (error) {
    if (isNotFound(error)) return true
    throw error
  }
}
