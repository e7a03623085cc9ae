import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Asker, type ClusterDescriptor, demoNamespace, type Place, runCommand } from '@weft/checks'
import { expect, test } from 'vitest'
import type { LifeOptions } from './life-options.ts'
import { agentPods, createPod, demoPods, isReady, listPods, type PodText, remove, suiteLabels } from './objects.ts'
import { Traffic } from './traffic.ts'
import { until } from './wait.ts'

const client: Place = { kind: 'pod', namespace: demoNamespace, name: 'client' }
const services = `/api/v1/namespaces/${demoNamespace}/services`
const deployments = `/apis/apps/v1/namespaces/${demoNamespace}/deployments`

interface NodeText {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly podCIDRs?: readonly string[], readonly taints?: readonly { readonly key: string, readonly effect: string }[] }
  readonly status: { readonly conditions: readonly { readonly type: string, readonly status: string }[] }
}

/** Nodes come, go, are emptied and lose their power. */
export function survivesNodes({ cluster, machines }: LifeOptions): void {
  const ask = (): Asker => new Asker(cluster(), AbortSignal.timeout(60_000))
  const nodeOf = async (name: string): Promise<NodeText> => await cluster().kube.request<NodeText>('GET', `/api/v1/nodes/${name}`)
  const patchNode = async (name: string, spec: object): Promise<void> => void await cluster().kube.request('PATCH', `/api/v1/nodes/${name}`, { contentType: 'application/merge-patch+json', body: { spec } })
  const isUp = async (name: string): Promise<boolean> => {
    const conditions = Object.fromEntries((await nodeOf(name)).status.conditions.map(({ type, status }) => [type, status]))
    return conditions['Ready'] === 'True' && conditions['NetworkUnavailable'] === 'False' && (await agentPods(cluster())).some((pod) => pod.spec.nodeName === name && isReady(pod))
  }
  const machineDoes = async (verb: 'add' | 'reboot' | 'remove', name: string): Promise<void> => {
    // A kernel that lost all programs of a machine may wait for answers to what their sockets had still to say, for minutes, and keeps the link as long.
    if (verb === 'reboot' && machines()?.outside !== undefined) await runCommand([...machines()!.outside!.exec, 'ip', 'link', 'delete', name], { timeoutMs: 10_000 })
    const { code, stderr } = await runCommand([...machines()!.node!, verb, name], { timeoutMs: 240_000 })
    if (code !== 0) throw new Error(`Cannot ${verb} node "${name}": ${stderr.trim()}`)
  }
  /** The pod of a DaemonSet of the demo on a node, once it is Ready. */
  const readyOn = async (node: string, app: string): Promise<PodText> => {
    let pod: PodText | undefined
    await until(`${app} on ${node} is Ready`, 120_000, async () => (pod = (await listPods(cluster(), demoPods, { labelSelector: `app=${app}`, fieldSelector: `spec.nodeName=${node}` })).find(isReady)) !== undefined)
    return pod!
  }

  test('LIFE-2 agents stay on tainted nodes, and the control plane is one', async () => {
    const node = cluster().nodes.at(-1)!.name
    const before = (await agentPods(cluster())).find(({ spec }) => spec.nodeName === node)!
    const taints = (await nodeOf(node)).spec.taints ?? []
    const traffic = await Traffic.fromClient(cluster())
    try {
      expect(await traffic.during(await traffic.service('web'), async () => {
        await patchNode(node, { taints: [...taints, { key: 'life', value: 'yes', effect: 'NoExecute' }] })
        await sleep(8000)
      })).toBe('')
    } finally {
      await patchNode(node, { taints })
    }
    expect((await agentPods(cluster())).find(({ spec }) => spec.nodeName === node)?.metadata.uid).toBe(before.metadata.uid)
    const { items } = await cluster().kube.request<{ readonly items: readonly NodeText[] }>('GET', '/api/v1/nodes')
    const tainted = items.filter(({ spec }) => spec.taints?.some(({ effect }) => effect === 'NoSchedule') === true).map(({ metadata }) => metadata.name)
    expect(tainted.length, 'nodes of the control plane').toBeGreaterThan(0)
    for (const name of tainted) expect(await isUp(name), `${name} is up`).toBe(true)
  })

  test('LIFE-7 a node is drained: connections end where they began, and no request fails', async () => {
    const node = cluster().nodes.at(-1)!.name
    const labels = { ...suiteLabels, app: 'drained' }
    const { probe } = cluster()
    await cluster().kube.request('POST', deployments, {
      body: {
        apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'drained' },
        spec: {
          replicas: 4, selector: { matchLabels: { app: 'drained' } },
          template: {
            metadata: { labels },
            spec: {
              terminationGracePeriodSeconds: 10, tolerations: [{ key: 'node-role.kubernetes.io/control-plane', operator: 'Exists' }],
              topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels: { app: 'drained' } } }],
              containers: [{
                name: 'main', image: probe.image, command: probe.command, args: ['netexec', '--http-port=8080', '--udp-port=8081'],
                readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
                // What a server does that ends in order: it goes on while others learn that it ends.
                lifecycle: { preStop: { sleep: { seconds: 4 } } },
              }],
            },
          },
        },
      },
    })
    const policy = cluster().families.length > 1 ? 'RequireDualStack' : 'SingleStack'
    await cluster().kube.request('POST', services, { body: { apiVersion: 'v1', kind: 'Service', metadata: { name: 'drained' }, spec: { ipFamilyPolicy: policy, selector: { app: 'drained' }, ports: [{ port: 80, targetPort: 8080 }] } } })
    const pods = async (): Promise<readonly PodText[]> => await listPods(cluster(), demoPods, { labelSelector: 'app=drained' })
    try {
      await until('all replicas are Ready', 60_000, async () => (await pods()).filter(isReady).length === 4)
      await until('the Service answers', 10_000, async () => (await ask().try(client, { kind: 'http', host: `drained.${demoNamespace}`, port: 80, path: '/' })).ok)
      const evicted = (await pods()).filter(({ spec }) => spec.nodeName === node)
      expect(evicted.length, `replicas on ${node}`).toBeGreaterThan(0)
      const traffic = await Traffic.fromClient(cluster())
      expect(await traffic.during(await traffic.service('drained'), async () => {
        await patchNode(node, { unschedulable: true })
        for (const { metadata } of evicted) await cluster().kube.request('POST', `${demoPods}/${metadata.name}/eviction`, { body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: metadata.name, namespace: demoNamespace } } })
        await until('the replicas run elsewhere', 60_000, async () => {
          const now = await pods()
          return now.length === 4 && now.every((pod) => isReady(pod) && pod.spec.nodeName !== node)
        })
      })).toBe('')
    } finally {
      await patchNode(node, { unschedulable: null })
      await remove(cluster(), `${deployments}/drained`, `${services}/drained`)
      await until('they are gone', 60_000, async () => (await pods()).length === 0)
    }
  })

  test('LIFE-1, LIFE-6 a node is added, and removed: it is Ready when pods can be wired there, and everybody reaches them; nobody keeps a route to it', async ({ skip }) => {
    skip(machines()?.node === undefined || machines()?.load === undefined, 'nothing tells how machines are added')
    // As providers name them; the control plane is none of them.
    const added = `node${cluster().nodes.length}`
    try {
      await machineDoes('add', added)
      await copyImage(machines()!, cluster().probe.image, cluster().nodes[0]!.name)
      await until(`${added} is up`, 120_000, async () => isUp(added))
      const { status } = await readyOn(added, 'web')
      expect(await ask().from(client, { kind: 'http', host: status!.podIP!, port: 8080, path: '/clientip' })).toHaveLength(1)
      const cidrs = (await nodeOf(added)).spec.podCIDRs ?? []
      const routes = async (): Promise<string> => (await Promise.all(cluster().nodes.map(async ({ name }) => (await cluster().run({ kind: 'node', name }, ['sh', '-c', 'ip route; ip -6 route'])).stdout))).join('')
      const before = await routes()
      expect(cidrs.filter((cidr) => !before.includes(cidr)), 'ranges of the node without a route').toEqual([])
      await machineDoes('remove', added)
      await until('its routes are gone', 20_000, async () => {
        const now = await routes()
        return !cidrs.some((cidr) => now.includes(cidr))
      })
      // Its pods are endpoints until Kubernetes collects them.
      await until('its pods are gone', 180_000, async () => (await listPods(cluster(), '/api/v1/pods', { fieldSelector: `spec.nodeName=${added}` })).length === 0)
    } finally {
      if ((await cluster().kube.request<{ readonly items: readonly NodeText[] }>('GET', '/api/v1/nodes')).items.some(({ metadata }) => metadata.name === added)) await machineDoes('remove', added)
    }
  })

  test('a node loses its power and comes back: its pods are wired anew and reached by everybody', async ({ skip }) => {
    skip(machines()?.node === undefined, 'nothing tells how machines are started again')
    const node = cluster().nodes.at(-1)!.name
    const { metadata: { uid } } = (await agentPods(cluster())).find(({ spec }) => spec.nodeName === node)!
    const restartsOf = async (): Promise<number> => (await readyOn(node, 'web')).status!.containerStatuses![0]!.restartCount
    const before = await restartsOf()
    await machineDoes('reboot', node)
    await until('its pods were started again', 180_000, async () => (await restartsOf()) > before)
    await until(`${node} is up`, 120_000, async () => isUp(node))
    expect((await agentPods(cluster())).find(({ spec }) => spec.nodeName === node)?.metadata.uid, 'the agent is the same pod').toBe(uid)
    const { status } = await readyOn(node, 'web')
    // The machine comes back with another link address here; who has not heard of it asks for eight seconds where there is nobody (RFC 4861 §7.3.3).
    const others = cluster().nodes.filter(({ name }) => name !== node).map(({ name }): Place => ({ kind: 'node', name }))
    await until('a pod of it answers every node, in every family', 30_000, async () => (await Promise.all(others.flatMap((place) => (status!.podIPs ?? []).map(async ({ ip }) => ask().try(place, { kind: 'http', host: ip, port: 8080, path: '/hostname', timeoutMs: 2000 }))))).every(({ ok }) => ok))
    await createPod(cluster(), 'after-reboot', { spec: { nodeName: node } })
    try {
      await until('a new pod is Ready', 60_000, async () => (await listPods(cluster(), demoPods, { fieldSelector: 'metadata.name=after-reboot' })).some(isReady))
      const place: Place = { kind: 'pod', namespace: demoNamespace, name: 'after-reboot' }
      for (const { status: { podIP } = {} } of await listPods(cluster(), demoPods, { labelSelector: 'app=web' })) await ask().from(place, { kind: 'http', host: podIP!, port: 8080, path: '/hostname', count: 5 })
      const [address] = await ask().from(place, { kind: 'dns', name: `web.${demoNamespace}.svc.cluster.local`, type: cluster().families[0] === 4 ? 'A' : 'AAAA' })
      const answers = await ask().from(place, { kind: 'http', host: address!, port: 80, path: '/hostname', count: 20 })
      expect(new Set(answers).size, 'endpoints that answered').toBe(cluster().nodes.length)
    } finally {
      await remove(cluster(), `${demoPods}/after-reboot`)
    }
  })
}

/** Brings an image that one node has to all of them: there may be no registry. */
async function copyImage({ nodes, load }: ClusterDescriptor, image: string, from: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-image-'))
  const archive = join(folder, 'image.tar')
  try {
    for (const command of [
      ['sh', '-c', '"$@" >"$0"', archive, ...nodes[from]!.exec, 'ctr', '--namespace', 'k8s.io', 'images', 'export', '-', image],
      [...load!, archive],
    ]) {
      const { code, stderr } = await runCommand(command, { timeoutMs: 120_000 })
      if (code !== 0) throw new Error(`Cannot copy image "${image}": ${stderr.trim()}`)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}
