import { Asker, demoNamespace, formatPlace, type Place, policyNamespace } from '@weft/checks'
import { formatIp } from '@weft/ip'
import { expect, test } from 'vitest'
import type { LifeOptions } from './life-options.ts'
import { createPod, demoPods, isReady, listPods, remove, suiteLabels } from './objects.ts'
import { until } from './wait.ts'

const client: Place = { kind: 'pod', namespace: demoNamespace, name: 'client' }
const hostPort = 18_090
/** Of a kubelet, by default. */
const podsPerNode = 110

/** Pods of every kind that a network must carry. */
export function carriesPods({ cluster }: LifeOptions): void {
  const ask = (): Asker => new Asker(cluster(), AbortSignal.timeout(60_000))

  test("DNS-27 a pod on its node's network resolves names of the cluster and reaches Services", async () => {
    const node = cluster().nodes.at(-1)!.name
    await createPod(cluster(), 'on-the-host', { args: ['netexec', '--http-port=18091', '--udp-port=18091'], spec: { nodeName: node, hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' } })
    try {
      await until('it is Ready', 60_000, async () => (await listPods(cluster(), demoPods, { fieldSelector: 'metadata.name=on-the-host' })).some(isReady))
      const place: Place = { kind: 'pod', namespace: demoNamespace, name: 'on-the-host' }
      for (const family of cluster().families) {
        const [address] = await ask().from(place, { kind: 'dns', name: `web.${demoNamespace}.svc.cluster.local`, type: family === 4 ? 'A' : 'AAAA' })
        const answers = await ask().from(place, { kind: 'http', host: address!, port: 80, path: '/hostname', count: 12 })
        expect(new Set(answers).size, `endpoints of ${address} that answered`).toBeGreaterThan(1)
      }
      // And others reach it, by the address of its node.
      for (const ip of cluster().nodes.at(-1)!.ips) expect(await ask().from(client, { kind: 'http', host: formatIp(ip), port: 18_091, path: '/healthz' })).toHaveLength(1)
    } finally {
      await remove(cluster(), `${demoPods}/on-the-host`)
    }
  })

  test('NET-33 a host port answers on every address of its node, to pods, nodes and from outside, and is closed with its pod', async () => {
    const node = cluster().nodes.at(-1)!
    await createPod(cluster(), 'with-host-port', { container: { ports: [{ containerPort: 8080, hostPort }] }, spec: { nodeName: node.name } })
    const places: readonly Place[] = [client, { kind: 'node', name: cluster().nodes[0]!.name }, { kind: 'node', name: node.name }, ...cluster().outside.length > 0 ? [{ kind: 'outside' } as const] : []]
    const answers = async (): Promise<readonly string[]> => await Promise.all(places.flatMap((place) => node.ips.map(async (ip) => {
      const { answers: [name], error, detail } = await ask().try(place, { kind: 'http', host: formatIp(ip), port: hostPort, path: '/hostname', timeoutMs: 5000 })
      return `${formatPlace(place)} to ${formatIp(ip)}: ${name ?? `${error} ${detail}`}`
    })))
    try {
      await until('it is Ready', 60_000, async () => (await listPods(cluster(), demoPods, { fieldSelector: 'metadata.name=with-host-port' })).some(isReady))
      expect((await answers()).filter((answer) => !answer.endsWith(': with-host-port'))).toEqual([])
    } finally {
      await remove(cluster(), `${demoPods}/with-host-port`)
    }
    await until('the port is closed', 30_000, async () => !(await answers()).some((answer) => answer.endsWith(': with-host-port')))
  })

  test('NET-17, NP-79 probes of every kind pass under default deny, and nobody else does', async () => {
    const policies = `/apis/networking.k8s.io/v1/namespaces/${policyNamespace}/networkpolicies`
    const pods = `/api/v1/namespaces/${policyNamespace}/pods`
    const timing = { periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 3 }
    await cluster().kube.request('POST', policies, { body: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'deny-all' }, spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] } } })
    try {
      await createPod(cluster(), 'probed', { namespace: policyNamespace, spec: { nodeName: cluster().nodes.at(-1)!.name }, container: { startupProbe: { tcpSocket: { port: 8080 }, ...timing, failureThreshold: 30 }, livenessProbe: { tcpSocket: { port: 8080 }, ...timing }, readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, ...timing } } })
      const read = async () => (await listPods(cluster(), pods, { fieldSelector: 'metadata.name=probed' }))[0]
      await until('it is Ready', 60_000, async () => isReady((await read())!))
      const { podIP } = (await read())!.status!
      expect((await ask().try(client, { kind: 'http', host: podIP!, port: 8080, path: '/healthz', timeoutMs: 1500 })).error).toBe('TIMEOUT')
      expect((await ask().try({ kind: 'pod', namespace: policyNamespace, name: 'probed' }, { kind: 'http', host: (await listPods(cluster(), demoPods, { fieldSelector: 'metadata.name=client' }))[0]!.status!.podIP!, port: 8080, path: '/healthz', timeoutMs: 1500 })).error).toBe('TIMEOUT')
      // Long enough for three failures of each probe.
      await new Promise((resolve) => setTimeout(resolve, 5000))
      const after = (await read())!
      expect({ ready: isReady(after), restarts: after.status!.containerStatuses![0]!.restartCount }).toEqual({ ready: true, restarts: 0 })
    } finally {
      await remove(cluster(), `${policies}/deny-all`, `${pods}/probed`)
    }
  })

  test(`${podsPerNode} pods on one node: each is wired, with an address of its own`, async () => {
    const node = cluster().nodes.at(-1)!.name
    const there = await listPods(cluster(), '/api/v1/pods', { fieldSelector: `spec.nodeName=${node}` })
    const names = Array.from({ length: podsPerNode - there.length }, (_, index) => `crowd-${index}`)
    const crowd = async () => (await listPods(cluster(), demoPods, { labelSelector: 'crowd=yes' }))
    const start = performance.now()
    try {
      await Promise.all(names.map(async (name) => createPod(cluster(), name, { args: ['pause'], labels: { ...suiteLabels, crowd: 'yes' }, spec: { nodeName: node } })))
      await until(`${names.length} pods are Ready`, 400_000, async () => (await crowd()).filter(isReady).length === names.length)
      console.log(`${names.length} pods Ready after ${((performance.now() - start) / 1000).toFixed(0)} s`)
      expect(new Set((await crowd()).map(({ status }) => status!.podIP)).size).toBe(names.length)
    } finally {
      await remove(cluster(), ...names.map((name) => `${demoPods}/${name}`))
      await until('they are gone', 300_000, async () => (await crowd()).length === 0)
    }
  })
}
