import { setTimeout as sleep } from 'node:timers/promises'
import { Asker, type Cluster, demoNamespace, type LoadReport, type Place } from '@weft/checks'
import { expect, test } from 'vitest'
import { loadFrom, lossOf, within } from './load.ts'

interface LifeOptions {
  /** The cluster, once it runs. */
  readonly cluster: () => Cluster
}

const client: Place = { kind: 'pod', namespace: demoNamespace, name: 'client' }
const kubeSystem = '/api/v1/namespaces/kube-system'

interface PodText {
  readonly metadata: { readonly name: string, readonly uid: string }
  readonly spec: { readonly nodeName: string }
  readonly status?: { readonly conditions?: readonly { readonly type: string, readonly status: string }[] }
}

/** What happens to a cluster in its life, under traffic of which nothing may be lost. */
export function livesOn({ cluster }: LifeOptions): void {
  test('LIFE-3, LIFE-16 the DaemonSet is rolled: no request fails', async () => {
    const path = '/apis/apps/v1/namespaces/kube-system/daemonsets/weft-agent'
    const before = await agents()
    const load = underLoad(40_000)
    await cluster().kube.request('PATCH', path, { contentType: 'application/merge-patch+json', body: { spec: { template: { metadata: { annotations: { 'weft.dev/rolled': new Date().toISOString() } } } } } })
    const rolled = await within(120_000, async () => {
      const now = await agents()
      return now.length === cluster().nodes.length && now.every(({ metadata, status }) => !before.some((old) => old.metadata.uid === metadata.uid) && isReady(status))
    })
    expect(rolled, 'every agent is another pod and Ready').toBe(true)
    expect(lossOf(await load)).toBe('')
  })

  test('the controller and every DNS server are killed in turn: names and Services answer', async () => {
    const load = underLoad(15_000)
    for (const node of cluster().nodes) {
      await kill(node.name, '[w]eft-dns')
      await sleep(3000)
    }
    expect(lossOf(await load)).toBe('')
    const [answer] = await new Asker(cluster(), AbortSignal.timeout(60_000)).from(client, { kind: 'dns', name: `web.${demoNamespace}.svc.cluster.local`, type: cluster().families[0] === 4 ? 'A' : 'AAAA', timeoutMs: 10_000 })
    expect(answer).toBeTruthy()
  })

  test('LIFE-3 kubelet and containerd are restarted: no request fails, and pods are wired afterwards', async () => {
    const node = cluster().nodes.at(-1)!.name
    const load = underLoad(20_000)
    for (const pattern of ['kubelet [-]-config', 'containerd [-]-config']) {
      await kill(node, pattern)
      await sleep(4000)
    }
    expect(lossOf(await load)).toBe('')
    expect(await startsPod('life-after-restart', node), 'a pod is Ready').toBe(true)
  })

  test('110 pods on one node: each is wired', async () => {
    const node = cluster().nodes.at(-1)!.name
    const { items } = await cluster().kube.request<{ readonly items: readonly unknown[] }>('GET', '/api/v1/pods', { query: { fieldSelector: `spec.nodeName=${node}` } })
    const names = Array.from({ length: 110 - items.length }, (_, index) => `crowd-${index}`)
    try {
      await Promise.all(names.map(async (name) => create(name, node)))
      expect(await within(400_000, async () => (await pods('life=yes')).filter(({ status }) => isReady(status)).length >= names.length), `${names.length} pods are Ready`).toBe(true)
    } finally {
      await Promise.all(names.map(remove))
    }
  })

  async function startsPod(name: string, node: string): Promise<boolean> {
    await create(name, node)
    try {
      return await within(120_000, async () => (await pods('life=yes')).some(({ metadata, status }) => metadata.name === name && isReady(status)))
    } finally {
      await remove(name)
    }
  }

  async function create(name: string, nodeName: string): Promise<void> {
    const { probe, kube } = cluster()
    await kube.request('POST', `/api/v1/namespaces/${demoNamespace}/pods`, {
      body: { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { life: 'yes' } }, spec: { nodeName, terminationGracePeriodSeconds: 0, automountServiceAccountToken: false, containers: [{ name: 'pause', image: probe.image, command: probe.command, args: ['pause'] }] } },
    })
  }

  async function remove(name: string): Promise<void> {
    await cluster().kube.request('DELETE', `/api/v1/namespaces/${demoNamespace}/pods/${name}`, { query: { gracePeriodSeconds: 0 } }).catch(() => undefined)
  }

  async function pods(labelSelector: string): Promise<readonly PodText[]> {
    return (await cluster().kube.request<{ readonly items: readonly PodText[] }>('GET', `/api/v1/namespaces/${demoNamespace}/pods`, { query: { labelSelector } })).items
  }

  async function agents(): Promise<readonly PodText[]> {
    return (await cluster().kube.request<{ readonly items: readonly PodText[] }>('GET', `${kubeSystem}/pods`, { query: { labelSelector: 'app.kubernetes.io/name=weft,app.kubernetes.io/component=agent' } })).items
  }

  /** Ends every process of a node whose command line matches; the brackets keep the search from finding itself. */
  async function kill(node: string, pattern: string): Promise<void> {
    const script = `for p in /proc/[0-9]*; do if tr '\\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q '${pattern}'; then kill -KILL "\${p#/proc/}"; fi; done`
    expect((await cluster().run({ kind: 'node', name: node }, ['sh', '-c', script])).code).toBe(0)
  }

  async function underLoad(durationMs: number): Promise<LoadReport> {
    const { spec } = await cluster().kube.request<{ readonly spec: { readonly clusterIP: string } }>('GET', `/api/v1/namespaces/${demoNamespace}/services/web`)
    return await loadFrom(cluster(), client, { host: spec.clusterIP, port: 80, rate: 50, durationMs })
  }
}

function isReady(status: PodText['status']): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true
}
