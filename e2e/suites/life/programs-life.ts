import { setTimeout as sleep } from 'node:timers/promises'
import { Asker, demoNamespace, type Place } from '@weft/checks'
import { expect, test } from 'vitest'
import type { LifeOptions } from './life-options.ts'
import { agentPods, createPod, demoPods, isReady, listPods, remove, restartRollout, systemPods } from './objects.ts'
import { signalProgram } from './programs.ts'
import { Traffic } from './traffic.ts'
import { until } from './wait.ts'

const client: Place = { kind: 'pod', namespace: demoNamespace, name: 'client' }

/** Programs of ours and of Kubernetes end and begin under traffic, of which nothing may be lost. */
export function survivesPrograms({ cluster }: LifeOptions): void {
  async function during(work: () => Promise<void>): Promise<string> {
    const traffic = await Traffic.fromClient(cluster())
    return await traffic.during(await traffic.service('web'), work)
  }

  test('LIFE-3, LIFE-16 the DaemonSet of agents and DNS servers is rolled: no request and no lookup fails', async () => {
    const before = new Set((await agentPods(cluster())).map(({ metadata }) => metadata.uid))
    expect(await during(async () => {
      await restartRollout(cluster(), '/apis/apps/v1/namespaces/kube-system/daemonsets/weft-agent')
      await until('every agent is another pod and Ready', 120_000, async () => {
        const now = await agentPods(cluster())
        return now.length === cluster().nodes.length && now.every((pod) => !before.has(pod.metadata.uid) && isReady(pod))
      })
    })).toBe('')
  })

  test('LIFE-3 agents and DNS servers of all nodes are killed in turn: no request and no lookup fails', async () => {
    expect(await during(async () => {
      for (const program of ['agent', 'dns']) {
        for (const { name } of cluster().nodes) {
          const before = await restartsOf(name, program)
          await signalProgram(cluster(), name, `weft-${program}`)
          // A node without a server of its own asks the others: they are there, for nobody ends two at a time.
          await until(`${program} of ${name} is back`, 120_000, async () => (await restartsOf(name, program)) > before && (await agentPods(cluster())).every(isReady))
          await sleep(2000)
        }
      }
    })).toBe('')
  }, 900_000)

  async function restartsOf(node: string, container: string): Promise<number> {
    const pod = (await agentPods(cluster())).find(({ spec }) => spec.nodeName === node)
    return pod?.status?.containerStatuses?.find(({ name }) => name === container)?.restartCount ?? 0
  }

  test('the controllers are killed, and rolled: no request fails, and one leads again', async () => {
    const replicas = { labelSelector: 'app.kubernetes.io/name=weft,app.kubernetes.io/component=controller' }
    const leader = async (): Promise<string | undefined> => (await cluster().kube.request<{ readonly spec: { readonly holderIdentity?: string } }>('GET', '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/weft-controller')).spec.holderIdentity
    const before = await listPods(cluster(), systemPods, replicas)
    expect(await during(async () => {
      for (const { spec } of before) await signalProgram(cluster(), spec.nodeName!, 'weft-controller')
      await restartRollout(cluster(), '/apis/apps/v1/namespaces/kube-system/deployments/weft-controller')
      await until('new controllers are Ready, and one of them leads', 120_000, async () => {
        const pods = await listPods(cluster(), systemPods, replicas)
        const isNew = pods.every(({ metadata: { uid } }) => before.every(({ metadata }) => metadata.uid !== uid))
        const name = await leader()
        return pods.length === before.length && isNew && pods.every(isReady) && pods.some(({ metadata }) => metadata.name === name)
      })
    })).toBe('')
  })

  test('LIFE-3 kubelet and containerd are restarted: no request fails, and pods are wired afterwards', async () => {
    const node = cluster().nodes.at(-1)!.name
    expect(await during(async () => {
      for (const program of ['kubelet', 'containerd']) {
        await signalProgram(cluster(), node, program)
        await sleep(5000)
      }
    })).toBe('')
    await createPod(cluster(), 'after-restart', { spec: { nodeName: node } })
    try {
      await until('a new pod is Ready', 120_000, async () => (await listPods(cluster(), demoPods, { fieldSelector: 'metadata.name=after-restart' })).some(isReady))
      const { status } = (await listPods(cluster(), demoPods, { fieldSelector: 'metadata.name=after-restart' }))[0]!
      await new Asker(cluster(), AbortSignal.timeout(30_000)).from(client, { kind: 'http', host: status!.podIP!, port: 8080, path: '/hostname' })
    } finally {
      await remove(cluster(), `${demoPods}/after-restart`)
    }
  })
}
