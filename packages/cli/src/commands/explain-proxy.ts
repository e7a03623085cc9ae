import { type NodeName, parseNodeName, podResource } from '@weft/api'
import type { ClusterOptions } from '@weft/checks'
import { formatIp, parseIp } from '@weft/ip'
import type { KubeClient } from '@weft/kube'
import { openPrograms } from '../cluster-programs.ts'
import { enter } from '../enter.ts'

interface ExplainOptions extends ClusterOptions {
  readonly from: string
  readonly protocol: string
  readonly node?: string
}

/** Prints what a node's proxy does with a new connection. */
export async function explainProxy(to: string, { from, protocol, node, ...options }: ExplainOptions): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  await using programs = await openPrograms(options)
  const client = await clientOf(programs.kube, from, to.startsWith('[') ? 6 : 4)
  const asked = (node === undefined ? undefined : parseNodeName(node)) ?? client.node ?? (await programs.nodes())[0]
  if (asked === undefined) throw new Error(`Cannot explain "${to}" from "${from}": the cluster has no nodes`)
  process.stdout.write(`on node ${asked}: `)
  process.stdout.write(await (await programs.agent(asked)).explainProxy({ to, protocol, from: client.ip }))
  return 0
}

/** A pod's address of that family and its node; an address alone; nothing for the node itself. */
async function clientOf(kube: KubeClient, from: string, family: 4 | 6): Promise<{ readonly ip?: string, readonly node?: NodeName | undefined }> {
  if (from === 'node') return {}
  if (!from.includes('/')) return { ip: formatIp(parseIp(from)) }
  const [namespace, name] = from.split('/')
  const pod = podResource.trim(await kube.request('GET', `/api/v1/namespaces/${namespace}/pods/${name}`))
  const ip = pod.ips.find((one) => one.family === family)
  if (ip === undefined) throw new Error(`Cannot explain from pod "${from}": it has no IPv${family} address, wanted a pod that runs`)
  return { ip: formatIp(ip), node: pod.nodeName }
}
