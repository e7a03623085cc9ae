// Read first: what a kubelet finds after a reboot of its node, https://kubernetes.io/docs/concepts/architecture/nodes/.
import type { ApiServer } from '../apiserver/server.ts'
import { asText, type JsonObject, objectsIn, valueAt } from '../apiserver/json.ts'

/**
 * Says in the objects of an earlier run what has become of nodes and pods: no node is ready, no container runs. Before
 * anybody reads them, so that no Service sends traffic to addresses of the past.
 */
export async function resumeAfterReboot({ client, storage }: Pick<ApiServer, 'client' | 'storage'>): Promise<void> {
  const write = async (path: string, status: JsonObject): Promise<void> => {
    await client.request('PATCH', `${path}/status`, { contentType: 'application/merge-patch+json', body: { status } })
  }
  const now = new Date().toISOString().replace(/\.\d+/, '')
  const turned = (conditions: unknown, types: readonly string[], reason: string): JsonObject[] =>
    objectsIn(conditions as JsonObject[]).map((condition) => (types.includes(asText(condition['type']) ?? '') && condition['status'] === 'True' ? { ...condition, status: 'False', reason, lastTransitionTime: now } : { ...condition }))

  for (const node of storage.list('nodes')) {
    await write(`/api/v1/nodes/${node.metadata.name}`, { conditions: turned(valueAt(node, 'status.conditions'), ['Ready'], 'NodeRebooted') })
  }
  for (const pod of storage.list('pods')) {
    const phase = asText(valueAt(pod, 'status.phase'))
    if (phase === 'Succeeded' || phase === 'Failed' || asText(valueAt(pod, 'spec.nodeName')) === undefined) continue
    const conditions = turned(valueAt(pod, 'status.conditions'), ['Ready', 'ContainersReady', 'PodReadyToStartContainers'], 'NodeRebooted')
    // What must not be started again has ended with its node.
    const lost = phase === 'Running' && valueAt(pod, 'spec.restartPolicy') === 'Never'
    await write(`/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`, {
      conditions,
      podIP: null,
      podIPs: null,
      ...(lost ? { phase: 'Failed', containerStatuses: objectsIn(valueAt(pod, 'status.containerStatuses')).map(endedUnknown) } : {}),
    })
  }
}

function endedUnknown(status: JsonObject): JsonObject {
  const terminated = { exitCode: 137, reason: 'ContainerStatusUnknown', message: 'The container could not be located when the pod was terminated' }
  return valueAt(status, 'state.running') === undefined ? { ...status } : { ...status, ready: false, started: false, state: { terminated } }
}
