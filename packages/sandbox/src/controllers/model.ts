// The fields of Kubernetes objects that the controllers read. Objects come from the storage port, frozen and validated.
import type { KubeObject } from '../apiserver/json.ts'

/** metadata. */
export interface Meta {
  readonly name: string
  readonly namespace?: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation?: number
  readonly creationTimestamp: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly finalizers?: readonly string[]
  readonly ownerReferences?: readonly OwnerReference[]
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

interface Container {
  readonly name: string
  readonly image: string
  readonly ports?: readonly { readonly name?: string, readonly containerPort: number, readonly protocol: string, readonly hostPort?: number }[]
}

export interface PodSpec {
  readonly nodeName?: string
  readonly nodeSelector?: Readonly<Record<string, string>>
  readonly hostNetwork?: boolean
  readonly hostname?: string
  readonly subdomain?: string
  readonly containers: readonly Container[]
  readonly initContainers?: readonly (Container & { readonly restartPolicy?: string })[]
  readonly tolerations?: readonly { readonly key?: string, readonly operator?: string, readonly value?: string, readonly effect?: string }[]
}

export interface Pod {
  readonly metadata: Meta
  readonly spec: PodSpec
  readonly status?: {
    readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
    readonly podIP?: string
    readonly podIPs?: readonly { readonly ip: string }[]
    readonly conditions?: readonly Condition[]
  }
}

export interface PodTemplate {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>>, readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: PodSpec
}

/** Deployment, ReplicaSet, DaemonSet or StatefulSet. */
export interface Workload {
  readonly metadata: Meta
  readonly spec: {
    readonly replicas?: number
    readonly minReadySeconds?: number
    readonly selector: Selector
    readonly template: PodTemplate
    readonly paused?: boolean
    readonly revisionHistoryLimit?: number
    readonly serviceName?: string
    readonly podManagementPolicy?: string
    readonly strategy?: { readonly type: string, readonly rollingUpdate?: RollingUpdate }
    readonly updateStrategy?: { readonly type: string, readonly rollingUpdate?: RollingUpdate }
  }
  readonly status?: Readonly<Record<string, unknown>>
}

export interface RollingUpdate {
  readonly maxSurge?: number | string
  readonly maxUnavailable?: number | string
  /** StatefulSets only: pods with a lower number keep the old template. */
  readonly partition?: number
}

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>
}

export interface Node {
  readonly metadata: Meta
  readonly spec: {
    readonly podCIDR?: string
    readonly podCIDRs?: readonly string[]
    readonly unschedulable?: boolean
    readonly taints?: readonly { readonly key: string, readonly value?: string, readonly effect: string }[]
  }
  readonly status?: { readonly conditions?: readonly Condition[] }
}

export interface Service {
  readonly metadata: Meta
  readonly spec: {
    readonly type: string
    readonly clusterIP?: string
    readonly selector?: Readonly<Record<string, string>>
    readonly ipFamilies?: readonly ('IPv4' | 'IPv6')[]
    readonly publishNotReadyAddresses?: boolean
    readonly ports?: readonly ServicePort[]
  }
}

export interface ServicePort {
  readonly name?: string
  readonly protocol: string
  readonly port: number
  readonly targetPort: number | string
  readonly appProtocol?: string
}

/** The object as one of the shapes above; the server validated it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller names the shape
export function as<T>(object: KubeObject): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- validated by the server in this process
  return object as unknown as T
}

/** Whether a pod's containers all pass their readiness probes. */
export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(condition => condition.type === 'Ready' && condition.status === 'True') === true
}

/**
 * When a pod is available: Ready, and for as long as its workload asks for.
 *
 * @returns Milliseconds from now, 0 when it is; undefined while it is not Ready.
 */
export function availableIn(pod: Pod, { minReadySeconds = 0 }: Workload['spec'], now: Date): number | undefined {
  if (!isReady(pod)) return undefined
  const since = pod.status?.conditions?.find(condition => condition.type === 'Ready')?.lastTransitionTime
  return minReadySeconds === 0 ? 0 : Math.max(0, (since === undefined ? now.getTime() : Date.parse(since)) + minReadySeconds * 1000 - now.getTime())
}

/** Whether a pod has ended for good. */
export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

/** The key of an object in its storage. */
export function keyOf({ metadata }: { readonly metadata: Pick<Meta, 'name' | 'namespace'> }): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`
}
