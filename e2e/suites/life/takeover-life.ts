import { deleteDemo, demoNamespace, type Place, policyNamespace } from '@weft/checks'
import { realClock } from '@weft/daemon'
import { install, readFacts, uninstall } from '@weft/install'
import { expect, test } from 'vitest'
import type { LifeOptions } from './life-options.ts'
import { isReady, listPods, remove, suiteLabels, systemPods } from './objects.ts'
import { findParts, referencePaths, startReference } from './reference-parts.ts'
import { Traffic } from './traffic.ts'
import { until } from './wait.ts'

const namespace = 'takeover'
const port = 18_099
const timeoutMs = 180_000

/** What of ours is on a machine, in the words of ip, nft and ls: not those of our own cleaning. */
const lookScript = [
  'ip -o link | grep -oE "(weft[0-9a-f]*|vxlan.weft)"',
  'ip -4 rule | grep -vE "^(0|32766|32767):"; ip -6 rule | grep -vE "^(0|32766):"',
  'ip -4 route show table all proto 87; ip -4 route show table all proto 88; ip -6 route show table all proto 87; ip -6 route show table all proto 88',
  'nft list tables | grep weft',
  'ls /opt/cni/bin /etc/cni/net.d | grep weft; ls -d /run/weft /var/lib/cni/weft 2>/dev/null',
  'true',
].join('\n')

/** A cluster that has kube-proxy and CoreDNS gets Weft, and loses it again. */
export function isTakenOver({ cluster, machines }: LifeOptions): void {
  const node = (name: string): Place => ({ kind: 'node', name: cluster().nodes.find((each) => each.name === name)!.name })
  const onNodes = async (script: string): Promise<Readonly<Record<string, string>>> => Object.fromEntries(await Promise.all(cluster().nodes.map(async ({ name }) => [name, (await cluster().run(node(name), ['sh', '-c', script], { timeoutMs: 20_000 })).stdout.trim()])))
  const nothing = (): Readonly<Record<string, string>> => Object.fromEntries(cluster().nodes.map(({ name }) => [name, '']))
  const options = () => ({ signal: AbortSignal.timeout(timeoutMs), clock: realClock, timeoutMs, onProgress: () => undefined })
  const installed = async (replaceKubeProxy: boolean) => await install(cluster().kube, { ...options(), values: {}, replaceKubeProxy, force: false })

  test('LIFE-11 kube-proxy and CoreDNS are taken over, and given back by uninstall: no request and no lookup fails, and nothing of ours is left on any node', async ({ skip }) => {
    const parts = machines() === undefined ? undefined : await findParts(machines()!)
    if (parts === undefined) skip('the machines have no kube-proxy, or no images of CoreDNS and agnhost')
    const facts = await readFacts(cluster().kube)
    // Its pods would lose their network, and a runtime cannot end those whose plugin is gone.
    await deleteDemo(cluster())
    await until('the demo is gone', 120_000, async () => (await Promise.all([demoNamespace, policyNamespace].map(async (name) => listPods(cluster(), `/api/v1/namespaces/${name}/pods`)))).flat().length === 0)
    await uninstall(cluster().kube, options())
    try {
      expect(await onNodes(lookScript), 'left by uninstall').toEqual(nothing())
      await startReference(cluster(), { parts: parts!, apiServer: facts.apiServers[0]!, dns: facts.dns })
      await startServers()
      const traffic = await Traffic.fromPod(cluster(), `/api/v1/namespaces/${namespace}/pods/client`, 'main')
      const targets = await traffic.service('web', namespace)
      await until('requests and lookups are answered', 60_000, async () => (await traffic.during(targets, async () => Promise.resolve())) === '')

      expect(await traffic.during(targets, async () => {
        const { replaced } = await installed(true)
        expect(replaced).toEqual(['kube-proxy', 'CoreDNS'])
        await until('CoreDNS rests', 60_000, async () => (await listPods(cluster(), systemPods, { labelSelector: 'k8s-app=kube-dns,app.kubernetes.io/name!=weft' })).length === 0)
      }), 'taken over').toBe('')
      expect(await onNodes('nft list tables | grep kube-proxy'), 'tables of kube-proxy').toEqual(nothing())

      expect(await traffic.during(targets, async () => {
        const { givenBack } = await uninstall(cluster().kube, options())
        expect(givenBack).toEqual(['kube-proxy', 'CoreDNS', 'Service kube-dns'])
      }), 'given back').toBe('')
      expect(await onNodes(lookScript), 'left by uninstall').toEqual(nothing())
    } finally {
      await remove(cluster(), `/api/v1/namespaces/${namespace}`, ...referencePaths)
      await until('kube-proxy and CoreDNS are gone', 120_000, async () => (await listPods(cluster(), systemPods, { labelSelector: 'k8s-app in (kube-proxy, kube-dns)' })).every(({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] === 'weft'))
      await onNodes('nft delete table ip kube-proxy; nft delete table ip6 kube-proxy')
      await installed(false)
    }
  }, 900_000)

  /** On the hosts' network, for there is no other: one server a node, and a client. */
  async function startServers(): Promise<void> {
    const { kube, probe, nodes, families } = cluster()
    const pod = (name: string, nodeName: string, labels: object, args: readonly string[]): object => ({
      metadata: { name, labels: { ...suiteLabels, ...labels } },
      spec: { nodeName, hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet', terminationGracePeriodSeconds: 0, automountServiceAccountToken: false, tolerations: [{ operator: 'Exists' }], containers: [{ name: 'main', image: probe.image, command: probe.command, args, readinessProbe: { httpGet: { path: '/healthz', port }, periodSeconds: 1 } }] },
    })
    const serve = ['netexec', `--http-port=${port}`, `--udp-port=${port}`]
    const pods = `/api/v1/namespaces/${namespace}/pods`
    await kube.request('POST', '/api/v1/namespaces', { body: { metadata: { name: namespace } } })
    for (const { name } of nodes) await kube.request('POST', pods, { body: pod(`web-${name}`, name, { app: 'web' }, serve) })
    // It serves, too, on a port that nobody asks: a pod of the probe program does something.
    await kube.request('POST', pods, { body: pod('client', nodes.at(-1)!.name, {}, ['netexec', `--http-port=${port + 1}`, `--udp-port=${port + 1}`]) })
    await kube.request('POST', `/api/v1/namespaces/${namespace}/services`, { body: { metadata: { name: 'web' }, spec: { ipFamilyPolicy: families.length > 1 ? 'RequireDualStack' : 'SingleStack', selector: { app: 'web' }, ports: [{ port: 80, targetPort: port }] } } })
    await until('servers and client are Ready', 120_000, async () => {
      const now = await listPods(cluster(), pods)
      return now.length === nodes.length + 1 && now.every(isReady)
    })
  }
}
