import type { Node, Pod, PodSpec } from './model.ts'

/** Taints that pods of a DaemonSet always tolerate. */
const DAEMON_TOLERATED: ReadonlySet<string> = new Set([
  'node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable', 'node.kubernetes.io/disk-pressure', 'node.kubernetes.io/memory-pressure',
  'node.kubernetes.io/pid-pressure', 'node.kubernetes.io/unschedulable', 'node.kubernetes.io/network-unavailable',
])

/** Whether a node takes new pods at all. */
export function isSchedulable(node: Node): boolean {
  return node.metadata.deletionTimestamp === undefined && node.spec.unschedulable !== true && node.status?.conditions?.some(condition => condition.type === 'Ready' && condition.status === 'True') === true
}

/** Whether a pod's node selector and tolerations fit a node. */
export function fits(spec: PodSpec, node: Node, options: { daemon: boolean }): boolean {
  const labels = node.metadata.labels ?? {}
  if (!Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false
  return (node.spec.taints ?? []).every(taint => taint.effect === 'PreferNoSchedule' || (options.daemon && DAEMON_TOLERATED.has(taint.key)) || tolerates(spec, taint))
}

function tolerates(spec: PodSpec, taint: { key: string, value?: string, effect: string }): boolean {
  return (spec.tolerations ?? []).some(toleration => {
    if (toleration.effect !== undefined && toleration.effect !== taint.effect) return false
    if (toleration.key === undefined) return toleration.operator === 'Exists'
    return toleration.key === taint.key && (toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? ''))
  })
}

/** Ports of the node that a pod takes, as `protocol/port`. */
export function hostPortsOf(pod: Pod): string[] {
  return pod.spec.containers.flatMap(container => container.ports ?? []).flatMap(port => (port.hostPort === undefined ? [] : [`${port.protocol}/${port.hostPort}`]))
}
