import { objectKey, type Pod, type PolicyMatrix, type PolicyReach } from '@weft/api'
import type { IpAddress } from '@weft/ip'
import { createEvaluator, type PolicyCluster } from '../evaluator/index.ts'
import { formatTraffic, type Traffic } from './question.ts'

/** Beyond it nobody reads a matrix, and it takes seconds: name a namespace. */
const maxPods = 500

export interface MatrixQuestion extends Traffic {
  readonly family: 4 | 6 | undefined
  /** Only these namespaces; all when empty. */
  readonly namespaces: readonly string[]
}

/**
 * Who reaches whom. Pods on host networks and ended ones are left out.
 *
 * @throws {RangeError} For more than 500 pods.
 */
export function policyMatrix(cluster: PolicyCluster, { protocol, port, family: wanted, namespaces }: MatrixQuestion): PolicyMatrix {
  const live = [...cluster.pods].filter((pod) => !pod.hostNetwork && !pod.finished && pod.ips.length > 0 && (namespaces.length === 0 || namespaces.includes(pod.namespace)))
  const family = wanted ?? live[0]?.ips[0]?.family ?? 4
  const pods = live.map((pod) => ({ key: objectKey(pod), ip: ipOf(pod, family) })).filter((pod): pod is { key: string, ip: IpAddress } => pod.ip !== undefined).sort((a, b) => (a.key < b.key ? -1 : 1))
  if (pods.length > maxPods) throw new RangeError(`Cannot draw a matrix of ${pods.length} pods: at most ${maxPods}, wanted fewer namespaces`)
  const judge = createEvaluator(cluster)
  const reachOf = (from: IpAddress, to: IpAddress): PolicyReach => {
    const { egress, ingress } = judge({ from, to, protocol, port })
    return egress.allowed ? (ingress.allowed ? 'open' : 'ingress') : ingress.allowed ? 'egress' : 'both'
  }
  return { traffic: formatTraffic({ protocol, port }), family, pods: pods.map(({ key }) => key), reach: pods.map((row) => pods.map((column) => reachOf(row.ip, column.ip))) }
}

function ipOf({ ips }: Pod, family: 4 | 6): IpAddress | undefined {
  return ips.find((ip) => ip.family === family)
}
