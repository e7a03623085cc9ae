import { type ClusterDescriptor, connectCluster, deployDemo, type OpenCluster, openInstalled } from '@weft/checks'
import { agentPods, isReady, restartRollout } from '../suites/life/objects.ts'
import { until } from '../suites/life/wait.ts'

/** The cluster that `weft test e2e --cluster FILE` names, with the demo in it, and its machines as FILE tells them. */
export interface DemoCluster extends AsyncDisposable {
  readonly cluster: OpenCluster
  readonly machines: ClusterDescriptor | undefined
}

export async function openDemoCluster(): Promise<DemoCluster> {
  const file = process.env['WEFT_CLUSTER']
  if (file === undefined) throw new Error('Cannot open cluster: WEFT_CLUSTER is not set; run `weft test e2e --cluster FILE`')
  const real = await connectCluster({ cluster: file })
  const cluster = await openInstalled(real)
  await renewAgents(cluster)
  await deployDemo(cluster, { signal: AbortSignal.timeout(120_000), timeoutMs: 120_000 })
  return {
    cluster,
    machines: real.machines,
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]()
      await real[Symbol.asyncDispose]()
    },
  }
}

/** A kubelet lets a container that was killed wait longer each time before it starts it again, for minutes in the end; those of a new pod begin anew. */
async function renewAgents(cluster: OpenCluster): Promise<void> {
  const before = await agentPods(cluster)
  if (!before.some(({ status }) => status?.containerStatuses?.some(({ restartCount }) => restartCount > 0) === true)) return
  const old = new Set(before.map(({ metadata }) => metadata.uid))
  await restartRollout(cluster, '/apis/apps/v1/namespaces/kube-system/daemonsets/weft-agent')
  await until('every agent is another pod and Ready', 180_000, async () => {
    const now = await agentPods(cluster)
    return now.length === cluster.nodes.length && now.every((pod) => !old.has(pod.metadata.uid) && isReady(pod))
  })
}
