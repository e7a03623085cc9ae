import { asArray, asNumber, asObject, asText, objectsIn, valueAt, type JsonObject, type KubeObject } from '../json.ts'
import { age, formatSpan } from './age.ts'
import type { Column } from './column.ts'

/** Columns of pods, as kubectl users know them. */
export const podColumns: readonly Column[] = [
  { name: 'Name', type: 'string', format: 'name', cell: pod => pod.metadata.name },
  { name: 'Ready', type: 'string', cell: readyText },
  { name: 'Status', type: 'string', cell: podStatusText },
  { name: 'Restarts', type: 'string', cell: restartsText },
  { name: 'Age', type: 'string', cell: (pod, now) => age(pod.metadata.creationTimestamp, now) },
  { name: 'IP', type: 'string', priority: 1, cell: pod => asText(valueAt(pod, 'status.podIPs.0.ip')) ?? asText(valueAt(pod, 'status.podIP')) ?? '<none>' },
  { name: 'Node', type: 'string', priority: 1, cell: pod => asText(valueAt(pod, 'spec.nodeName')) ?? '<none>' },
  { name: 'Nominated Node', type: 'string', priority: 1, cell: pod => asText(valueAt(pod, 'status.nominatedNodeName')) ?? '<none>' },
  { name: 'Readiness Gates', type: 'string', priority: 1, cell: readinessGatesText },
]

function readyText(pod: KubeObject): string {
  const ready = objectsIn(valueAt(pod, 'status.containerStatuses')).filter(status => status['ready'] === true).length
  return `${ready}/${asArray(valueAt(pod, 'spec.containers')).length}`
}

function stateOf(status: JsonObject, name: 'waiting' | 'terminated' | 'running'): JsonObject | undefined {
  return asObject(asObject(status['state'])?.[name])
}

function terminatedText(terminated: JsonObject): string {
  const reason = asText(terminated['reason'])
  if (reason !== undefined) return reason
  const signal = asNumber(terminated['signal']) ?? 0
  return signal === 0 ? `ExitCode:${asNumber(terminated['exitCode']) ?? 0}` : `Signal:${signal}`
}

/** What kubectl shows as the status of a pod: its phase, or what keeps a container from running. */
function podStatusText(pod: KubeObject): string {
  let text = asText(valueAt(pod, 'status.reason')) ?? asText(valueAt(pod, 'status.phase')) ?? 'Unknown'
  const initTotal = asArray(valueAt(pod, 'spec.initContainers')).length
  let initializing = false
  for (const [index, status] of objectsIn(valueAt(pod, 'status.initContainerStatuses')).entries()) {
    const terminated = stateOf(status, 'terminated')
    if (terminated !== undefined && asNumber(terminated['exitCode']) === 0) continue
    const waiting = asText(stateOf(status, 'waiting')?.['reason'])
    if (terminated !== undefined) text = `Init:${terminatedText(terminated)}`
    else text = waiting === undefined || waiting === 'PodInitializing' ? `Init:${index}/${initTotal}` : `Init:${waiting}`
    initializing = true
    break
  }
  if (!initializing) {
    let running = false
    for (const status of objectsIn(valueAt(pod, 'status.containerStatuses')).toReversed()) {
      const waiting = asText(stateOf(status, 'waiting')?.['reason'])
      const terminated = stateOf(status, 'terminated')
      if (waiting !== undefined) text = waiting
      else if (terminated !== undefined) text = terminatedText(terminated)
      else if (status['ready'] === true) running = true
    }
    if (text === 'Completed' && running) text = 'Running'
  }
  if (pod.metadata.deletionTimestamp === undefined) return text
  return asText(valueAt(pod, 'status.reason')) === 'NodeLost' ? 'Unknown' : 'Terminating'
}

function restartsText(pod: KubeObject, now: number): string {
  const statuses = objectsIn(valueAt(pod, 'status.containerStatuses'))
  const count = statuses.reduce((sum, status) => sum + (asNumber(status['restartCount']) ?? 0), 0)
  const ends = statuses.map(status => asText(valueAt(status, 'lastState.terminated.finishedAt'))).filter(end => end !== undefined)
  if (count === 0 || ends.length === 0) return String(count)
  return `${count} (${formatSpan(now - Math.max(...ends.map(end => Date.parse(end))))} ago)`
}

function readinessGatesText(pod: KubeObject): string {
  const gates = objectsIn(valueAt(pod, 'spec.readinessGates'))
  if (gates.length === 0) return '<none>'
  const conditions = objectsIn(valueAt(pod, 'status.conditions'))
  const met = gates.filter(gate => conditions.some(condition => condition['type'] === gate['conditionType'] && condition['status'] === 'True'))
  return `${met.length}/${gates.length}`
}
