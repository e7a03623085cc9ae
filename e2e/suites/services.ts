import { setTimeout as sleep } from 'node:timers/promises'
import { Asker, type Cluster, demoNamespace, type LoadReport, type Place } from '@weft/checks'
import { formatIp } from '@weft/ip'
import { expect, test } from 'vitest'
import { loadFrom, lossOf, within } from './load.ts'

interface ServiceOptions {
  /** The cluster, once it runs. */
  readonly cluster: () => Cluster
  /** An agent has that long to come back, in milliseconds. */
  readonly restartMs: number
}

const client: Place = { kind: 'pod', namespace: demoNamespace, name: 'client' }
/** Where the pods of the Deployment listen. */
const httpPort = 8080
const namespace = `/api/v1/namespaces/${demoNamespace}`

interface ServiceText {
  readonly spec: { readonly clusterIP: string, readonly clusterIPs: readonly string[], readonly ports: readonly { readonly nodePort: number }[] }
}

/** What users of Services count on while the cluster changes under them. */
export function servesOn({ cluster, restartMs }: ServiceOptions): void {
  test('SVC-44 kubernetes.default answers pods on port 443', async () => {
    const ask = new Asker(cluster(), AbortSignal.timeout(60_000))
    const answer = await ask.try(client, { kind: 'load', protocol: 'tcp', host: 'kubernetes.default.svc.cluster.local', port: 443, rate: 20, durationMs: 1000 })
    expect(JSON.parse(answer.answers[0] ?? '{}')).toMatchObject({ sent: 20, answered: 20 })
  })

  test('SVC-63 half of all new Services answer within 20 s, nine tenths within 50 s', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `latency-${index}`)
    try {
      const started = performance.now()
      await Promise.all(names.map((name) => create(service(name, { app: 'web' }))))
      const lags = await Promise.all(names.map(async (name) => {
        const ip = (await read(name)).spec.clusterIP
        const answers = await within(120_000, async () => (await new Asker(cluster(), AbortSignal.timeout(10_000)).try(client, { kind: 'http', host: ip, port: 80, path: '/hostname', timeoutMs: 1000 })).ok)
        return answers ? (performance.now() - started) / 1000 : Infinity
      }))
      lags.sort((a, b) => a - b)
      expect(lags[9], 'seconds').toBeLessThan(20)
      expect(lags[17], 'seconds').toBeLessThan(50)
    } finally {
      await Promise.all(names.map((name) => remove(`services/${name}`)))
    }
  })

  test('LB-14 a Deployment is rolled under load, under both internal and both external traffic policies, by every family: no request fails', async () => {
    const node = cluster().nodes[0]!
    try {
      await deploy('one')
      for (const [name, policy] of [['busy', 'Cluster'], ['busy-local', 'Local']] as const) await create(service(name, { app: 'busy' }, { type: 'NodePort', ipFamilyPolicy: 'PreferDualStack', internalTrafficPolicy: policy, externalTrafficPolicy: policy }))
      expect(await within(60_000, async () => await isRolled()), 'the Deployment is ready').toBe(true)
      const services = { Cluster: await read('busy'), Local: await read('busy-local') }
      const stranger: Place = cluster().outside.length > 0 ? { kind: 'outside' } : { kind: 'node', name: cluster().nodes[1]!.name }
      const load = { rate: 20, durationMs: 15_000 }
      // The client is on the node of the pods; the external policy counts for those that are not.
      const loads = Object.entries(services).flatMap(([policy, { spec: { clusterIPs, ports } }]): readonly (readonly [string, Promise<LoadReport>])[] => [
        ...clusterIPs.map((host) => [`cluster IP ${host}, policy ${policy}`, loadFrom(cluster(), client, { ...load, host, port: 80 })] as const),
        ...node.ips.map(formatIp).map((host) => [`NodePort of ${host}, policy ${policy}`, loadFrom(cluster(), stranger, { ...load, host, port: ports[0]!.nodePort })] as const),
      ])
      await sleep(1000)
      await deploy('two')
      expect(await within(60_000, async () => await isRolled()), 'the Deployment is rolled').toBe(true)
      const servers = new Set<string>()
      for (const [name, done] of loads) {
        const report = await done
        expect([name, lossOf(report)]).toEqual([name, ''])
        for (const server of Object.keys((report as LoadReport & { readonly servers?: Readonly<Record<string, number>> }).servers ?? {})) servers.add(server)
      }
      // Old pods and new ones have answered.
      expect(servers.size).toBeGreaterThan(3)
    } finally {
      await remove('services/busy')
      await remove('services/busy-local')
      await cluster().kube.request('DELETE', `/apis/apps/v1/namespaces/${demoNamespace}/deployments/busy`, { query: { propagationPolicy: 'Background' } }).catch(() => undefined)
    }
  })

  test('LIFE-3, SVC-50 the agents are killed one after the other under load: no request fails, by cluster IP or NodePort', async () => {
    const { killAgent, nodes } = cluster()
    if (killAgent === undefined) throw new Error('Cannot kill agents: nothing tells how nodes are entered')
    const web = await read('web')
    const host = nodes[0]!.ips[0]!
    const stranger: Place = cluster().outside.length > 0 ? { kind: 'outside' } : { kind: 'node', name: nodes[1]!.name }
    const load = { rate: 40, durationMs: 8000 + nodes.length * 2000 }
    const loads = [
      loadFrom(cluster(), client, { ...load, host: web.spec.clusterIP, port: 80 }),
      loadFrom(cluster(), stranger, { ...load, host: formatIp(host), port: web.spec.ports[0]!.nodePort }),
    ]
    await sleep(1000)
    for (const { name } of nodes) {
      const { startedAt } = await cluster().agentStatus(name)
      await killAgent(name)
      expect(await within(restartMs, async () => {
        const status = await cluster().agentStatus(name)
        return status.ready && status.startedAt !== startedAt
      }), `the agent of ${name} is back`).toBe(true)
    }
    for (const done of loads) expect(lossOf(await done)).toBe('')
  })

  async function create(manifest: object): Promise<void> {
    await cluster().kube.request('POST', `${namespace}/services`, { body: manifest })
  }

  async function read(name: string): Promise<ServiceText> {
    return await cluster().kube.request<ServiceText>('GET', `${namespace}/services/${name}`)
  }

  async function remove(path: string): Promise<void> {
    await cluster().kube.request('DELETE', `${namespace}/${path}`).catch(() => undefined)
  }

  /** Makes the Deployment, or rolls it when its pods are to be others. All on one node, where there is always one for clients from outside. */
  async function deploy(version: string): Promise<void> {
    const { probe, nodes, kube } = cluster()
    const path = `/apis/apps/v1/namespaces/${demoNamespace}/deployments`
    const container = {
      name: 'web', image: probe.image, command: probe.command, args: ['netexec', `--http-port=${httpPort}`, '--delay-shutdown=2'], ports: [{ name: 'http', containerPort: httpPort }],
      readinessProbe: { httpGet: { path: '/healthz', port: httpPort }, periodSeconds: 1 },
    }
    const spec = {
      replicas: 3, selector: { matchLabels: { app: 'busy' } }, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
      template: { metadata: { labels: { app: 'busy' }, annotations: { version } }, spec: { nodeName: nodes[0]!.name, terminationGracePeriodSeconds: 10, tolerations: [{ operator: 'Exists' }], containers: [container] } },
    }
    if (version === 'one') await kube.request('POST', path, { body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'busy', namespace: demoNamespace }, spec } })
    else await kube.request('PATCH', `${path}/busy`, { contentType: 'application/merge-patch+json', body: { spec: { template: spec.template } } })
  }

  /** Whether all pods are those of the newest template, ready, and no other is left. */
  async function isRolled(): Promise<boolean> {
    const { metadata, spec, status } = await cluster().kube.request<DeploymentText>('GET', `/apis/apps/v1/namespaces/${demoNamespace}/deployments/busy`)
    return status?.observedGeneration === metadata.generation && status?.updatedReplicas === spec.replicas && status.replicas === spec.replicas && status.readyReplicas === spec.replicas
  }
}

interface DeploymentText {
  readonly metadata: { readonly generation: number }
  readonly spec: { readonly replicas: number }
  readonly status?: { readonly observedGeneration?: number, readonly replicas?: number, readonly updatedReplicas?: number, readonly readyReplicas?: number }
}

function service(name: string, selector: Readonly<Record<string, string>>, spec: object = {}): object {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: demoNamespace }, spec: { selector, ports: [{ name: 'http', port: 80, targetPort: 'http' }], ...spec } }
}
