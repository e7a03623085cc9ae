import { setTimeout as sleep } from 'node:timers/promises'
import { type Pod, type Service, serviceResource, podResource } from '@weft/api'
import { formatIp, type IpAddress } from '@weft/ip'
import { CheckFailure, ensure } from './check.ts'
import type { Cluster, ClusterNode, Place } from './cluster.ts'
import { demoNamespace, policyNamespace } from './demo.ts'

/** The demo as it stands: what the proofs talk about. */
export interface Scene {
  readonly client: Pod
  /** On the host's network; one on each node, in the order of the cluster's nodes. */
  readonly hosts: readonly Pod[]
  /** One on each node, in the order of the cluster's nodes. */
  readonly webs: readonly Pod[]
  readonly guarded: Pod
  readonly visitor: Pod
  readonly services: Readonly<Record<'web' | 'web-headless' | 'client' | 'nobody', Service>>
}

/** Reads the demo's objects from the API, as any other client would. */
async function readScene(cluster: Cluster): Promise<Scene> {
  const [pods, policyPods, services] = await Promise.all([
    list(cluster, `/api/v1/namespaces/${demoNamespace}/pods`, podResource.trim),
    list(cluster, `/api/v1/namespaces/${policyNamespace}/pods`, podResource.trim),
    list(cluster, `/api/v1/namespaces/${demoNamespace}/services`, serviceResource.trim),
  ])
  const pod = (name: string): Pod => find([...pods, ...policyPods], name)
  const onEachNode = (app: string): readonly Pod[] => cluster.nodes.map((node) => {
    const pod = pods.find((each) => each.labels['app'] === app && !each.deleting && each.nodeName === node.name)
    ensure(pod !== undefined, `no ${app} pod runs on ${node.name}`)
    return pod
  })
  return {
    client: pod('client'),
    hosts: onEachNode('host'),
    webs: onEachNode('web'),
    guarded: pod('guarded'),
    visitor: pod('visitor'),
    services: { 'web': find(services, 'web'), 'web-headless': find(services, 'web-headless'), 'client': find(services, 'client'), 'nobody': find(services, 'nobody') },
  }
}

/** A replaced pod has that long to be there again, in milliseconds. */
const settleMs = 10_000

/** The demo once it is whole: a check before may have had a pod replaced, and its successor comes when the old one has gone. */
export async function settledScene(cluster: Cluster, signal: AbortSignal): Promise<Scene> {
  for (const start = performance.now(); ;) {
    try {
      return await readScene(cluster)
    } catch (error) {
      if (!(error instanceof CheckFailure) || performance.now() - start > settleMs) throw error
      await sleep(50, undefined, { signal })
    }
  }
}

async function list<T>(cluster: Cluster, path: string, trim: (object: unknown) => T): Promise<T[]> {
  const { items } = await cluster.kube.request<{ items: unknown[] }>('GET', path)
  return items.map(trim)
}

function find<T extends { readonly name: string }>(objects: readonly T[], name: string): T {
  const object = objects.find((each) => each.name === name)
  ensure(object !== undefined, `the demo has no object "${name}"`)
  return object
}

export function placeOf(pod: Pod): Place {
  return { kind: 'pod', namespace: pod.namespace, name: pod.name }
}

/** The address of that family as text. */
export function ipOf(holder: { readonly ips: readonly IpAddress[], readonly name: string }, family: 4 | 6): string {
  const ip = holder.ips.find((each) => each.family === family)
  ensure(ip !== undefined, `${holder.name} has no IPv${family} address`)
  return formatIp(ip)
}

export function clusterIpOf(service: Service, family: 4 | 6): string {
  return ipOf({ name: `Service ${service.name}`, ips: service.clusterIps }, family)
}

export function nodeOf(cluster: Cluster, pod: Pod): ClusterNode {
  const node = cluster.nodes.find(({ name }) => name === pod.nodeName)
  ensure(node !== undefined, `${pod.name} runs on ${pod.nodeName}, which is no node of the cluster`)
  return node
}

/** The address in the `ip:port` that `/clientip` answers. */
export function clientOf(answer: string): string {
  const text = answer.trim()
  return text.slice(0, text.lastIndexOf(':')).replace(/^\[|\]$/g, '').replace(/^::ffff:/, '')
}
