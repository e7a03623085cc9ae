import { once } from 'node:events'
import { createServer, get, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseNodeName, toEndpointSlice, toNode, toService } from '@weft/api'
import { realClock } from '@weft/daemon'
import { collectingLogger, ManualClock } from '@weft/daemon/testing'
import { parseIp } from '@weft/ip'
import { storeOf } from '@weft/kube/testing'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { type ClusterStores, node, nodeName, service, slice } from '../test/cluster.ts'
import { running, type Running } from '../test/running.ts'
import { proxyConfigSchema } from './config.ts'
import { serveHealth } from './serve-health.ts'

interface Reply { readonly status: number | undefined, readonly headers: IncomingHttpHeaders, readonly body: string }

async function ask(port: number, path = '/', host = '127.0.0.1'): Promise<Reply> {
  const [response] = await once(get({ host, port, path, agent: false }), 'response') as [IncomingMessage]
  let body = ''
  for await (const chunk of response as AsyncIterable<Buffer>) body += chunk.toString()
  return { status: response.statusCode, headers: response.headers, body }
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) {
    if (await isSo()) return
    await realClock.sleep(10)
  }
  throw new Error('waited for nothing')
}

const isRefused = async (port: number): Promise<boolean> => await ask(port).then(() => false, (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED')

/** Free ports, as far as anybody can know. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  const ports = await Promise.all(servers.map(async (server) => {
    if (!server.listening) await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }))
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** The node's address is one of this machine, as health check ports listen there. */
function hereNode(rest: object = {}): ReturnType<typeof toNode> {
  return { ...toNode(node('here')), internalIps: [parseIp('127.0.0.1')], ...rest }
}

interface Serving extends AsyncDisposable {
  readonly run: Running
  readonly events: readonly { readonly name: string, readonly reason: string, readonly message: string }[]
  readonly ports: { readonly healthz: number, readonly metrics: number, readonly service: number }
}

async function serving(ports: Serving['ports'], stores: ClusterStores, deps: object = {}): Promise<Serving> {
  const config = { healthz: { address: '127.0.0.1', port: ports.healthz }, metrics: { address: '127.0.0.1', port: ports.metrics } }
  const run = await running(stores, { config, deps })
  const stopping = new AbortController()
  const events: { name: string, reason: string, message: string }[] = []
  const done = serveHealth({
    ...stores, config: proxyConfigSchema.parse(config), nodeName, proxy: run.proxy, registry: run.registry, clock: realClock, logger: collectingLogger(),
    recorder: { record: ({ name }, _type, { reason, message }) => void events.push({ name, reason, message }) }, ...deps,
  }, stopping.signal)
  return {
    run, events, ports,
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await done
      await run[Symbol.asyncDispose]()
    },
  }
}

async function somePorts(): Promise<Serving['ports']> {
  const [healthz, metrics, port] = await freePorts(3)
  return { healthz: healthz!, metrics: metrics!, service: port! }
}

function storesWith(port: number, rest: object = {}): ClusterStores {
  return {
    nodes: storeOf([hereNode()]),
    services: storeOf([toService(service('shop/web', ['10.96.0.1'], { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: port, balancers: ['192.0.2.1'], ...rest }))]),
    slices: storeOf([toEndpointSlice(slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }, { ip: '10.244.0.6', node: 'here' }]))]),
  }
}

describe('serveHealth()', () => {
  test('SVC-29, SVC-102, SVC-103 /healthz and /livez tell of proxy and node in the words of kube-proxy', async () => {
    const ports = await somePorts()
    const stores = storesWith(ports.service)
    await using _run = await serving(ports, stores)
    await until(async () => !await isRefused(ports.healthz))
    const healthz = await ask(ports.healthz, '/healthz')
    expect(healthz).toMatchObject({ status: 200, headers: { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' } })
    expect(JSON.parse(healthz.body)).toEqual({ lastUpdated: expect.stringMatching(/^\d{4}-/), currentTime: expect.stringMatching(/^\d{4}-/), nodeEligible: true })
    expect(JSON.parse((await ask(ports.healthz, '/livez?verbose')).body)).not.toHaveProperty('nodeEligible')
    expect((await ask(ports.healthz, '/other')).status).toBe(404)
    for (const leaving of [{ taints: ['ToBeDeletedByClusterAutoscaler'] }, { deleting: true }]) {
      stores.nodes.put(hereNode(leaving))
      const reply = await ask(ports.healthz, '/healthz')
      expect([reply.status, (JSON.parse(reply.body) as { nodeEligible: boolean }).nodeEligible]).toEqual([503, false])
      expect((await ask(ports.healthz, '/livez')).status).toBe(200)
    }
    stores.nodes.put(hereNode())
    expect((await ask(ports.healthz, '/healthz')).status).toBe(200)
  })

  test('SVC-102, SVC-103 a change that stays out of the kernel for a minute makes both 503, until it is in', async () => {
    const ports = await somePorts()
    const stores = storesWith(ports.service)
    const clock = new ManualClock()
    const nft = new FakeNft()
    let isBroken = false
    const flaky = { read: nft.read.bind(nft), readInTurns: nft.readInTurns.bind(nft), watch: nft.watch.bind(nft), check: nft.check.bind(nft), commit: (transaction: Parameters<FakeNft['commit']>[0]) => {
      if (isBroken) throw new Error('no memory')
      nft.commit(transaction)
    } }
    await using run = await serving(ports, stores, { clock, nft: flaky })
    await until(async () => !await isRefused(ports.healthz))
    isBroken = true
    stores.slices.put(toEndpointSlice(slice('shop/web', ['10.244.1.7'])))
    await clock.advance(59_000)
    expect((await ask(ports.healthz, '/healthz')).status).toBe(200)
    await clock.advance(2000)
    expect([(await ask(ports.healthz, '/healthz')).status, (await ask(ports.healthz, '/livez')).status]).toEqual([503, 503])
    isBroken = false
    await clock.advance(60_000)
    await run.run.proxy.settled()
    expect((await ask(ports.healthz, '/healthz')).status).toBe(200)
    expect((await ask(ports.metrics, '/metrics')).body).toMatch(/kubeproxy_sync_proxy_rules_nftables_sync_failures_total [1-9]/)
  })

  test('SVC-98, SVC-99, SVC-100 a health check port answers for its Service while it is one', async () => {
    const ports = await somePorts()
    const stores = storesWith(ports.service)
    await using _run = await serving(ports, stores)
    await until(async () => !await isRefused(ports.service))
    const reply = await ask(ports.service, '/whatever')
    expect(reply).toMatchObject({ status: 200, headers: { 'content-type': 'application/json', 'x-content-type-options': 'nosniff', 'x-load-balancing-endpoint-weight': '2' } })
    expect(reply.body).toBe('{\n\t"service": {\n\t\t"namespace": "shop",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": 2,\n\t"serviceProxyHealthy": true\n}')
    stores.slices.put(toEndpointSlice(slice('shop/web', [{ ip: '10.244.0.5', node: 'here', ready: false, serving: true, terminating: true }])))
    await until(async () => (await ask(ports.service)).status === 503)
    expect((await ask(ports.service)).headers['x-load-balancing-endpoint-weight']).toBe('0')
    stores.services.put(toService(service('shop/web', ['10.96.0.1'], { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster', balancers: ['192.0.2.1'] })))
    await until(async () => await isRefused(ports.service))
    stores.services.put([...storesWith(ports.service).services.values()][0]!)
    await until(async () => !await isRefused(ports.service))
    stores.services.remove('shop/web')
    await until(async () => await isRefused(ports.service))
  })

  test('LB-17, LB-18 a load balancer finds out which nodes have endpoints by their health check ports, and that all will do without a Local policy', async () => {
    const [healthzHere, healthzThere, metricsHere, metricsThere, port] = await freePorts(5) as readonly [number, number, number, number, number]
    const stores = storesWith(port)
    stores.nodes.put({ ...toNode(node('there')), internalIps: [parseIp('127.0.0.2')] })
    await using _here = await serving({ healthz: healthzHere, metrics: metricsHere, service: port }, stores)
    await using _there = await serving({ healthz: healthzThere, metrics: metricsThere, service: port }, stores, { nodeName: parseNodeName('there') })
    const statusAt = async (host: string, at: number, path = '/'): Promise<number | 'refused'> => await ask(at, path, host).then(({ status }) => status ?? 0, () => 'refused' as const)
    const both = async (): Promise<readonly (number | 'refused')[]> => [await statusAt('127.0.0.1', port), await statusAt('127.0.0.2', port)]
    const settle = async (want: readonly (number | 'refused')[]): Promise<void> => {
      await until(async () => JSON.stringify(await both()) === JSON.stringify(want))
      // A load balancer wants to hear it twice.
      expect(await both()).toEqual(want)
    }
    await settle([200, 503])
    stores.slices.put(toEndpointSlice(slice('shop/web', [{ ip: '10.244.1.5', node: 'there' }])))
    await settle([503, 200])
    stores.slices.put(toEndpointSlice(slice('shop/web', [{ ip: '10.244.1.5', node: 'there' }, { ip: '10.244.0.5', node: 'here' }])))
    await settle([200, 200])
    stores.slices.put(toEndpointSlice(slice('shop/web', [{ ip: '10.244.1.5', node: 'there' }])))
    stores.services.put(toService(service('shop/web', ['10.96.0.1'], { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster', balancers: ['192.0.2.1'] })))
    await settle(['refused', 'refused'])
    expect([await statusAt('127.0.0.1', healthzHere, '/healthz'), await statusAt('127.0.0.1', healthzThere, '/healthz')]).toEqual([200, 200])
  })

  test('SVC-101 ports that are taken are told by Events, and served as soon as they are free', async () => {
    const ports = await somePorts()
    const taken = [ports.healthz, ports.service].map((port) => createServer().listen(port, '127.0.0.1'))
    for (const server of taken) if (!server.listening) await once(server, 'listening')
    await using run = await serving(ports, storesWith(ports.service))
    await until(() => run.events.length >= 2)
    expect(run.events).toContainEqual({ name: 'web', reason: 'FailedToStartServiceHealthcheck', message: expect.stringContaining(`127.0.0.1:${ports.service}`) })
    expect(run.events).toContainEqual({ name: 'here', reason: 'FailedToStartProxierHealthcheck', message: expect.stringContaining('EADDRINUSE') })
    await Promise.all(taken.map((server) => new Promise((resolve) => server.close(resolve))))
    await until(async () => !await isRefused(ports.service) && !await isRefused(ports.healthz))
    expect((await ask(ports.service)).status).toBe(200)
  })

  test('SVC-29, SVC-104 the metrics port has our names and those of kube-proxy, and tells the mode', async () => {
    const ports = await somePorts()
    const stores = storesWith(ports.service, { internalTrafficPolicy: 'Local' })
    await using run = await serving(ports, stores)
    await until(async () => !await isRefused(ports.metrics))
    expect((await ask(ports.metrics, '/proxyMode')).body).toBe('nftables')
    const elsewhere = toEndpointSlice({ ...slice('shop/web', ['10.244.1.7']), metadata: { namespace: 'shop', name: 'web-a', labels: { 'kubernetes.io/service-name': 'web' }, annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': new Date(Date.now() - 3000).toISOString() } } })
    stores.slices.put(elsewhere)
    await run.run.proxy.settled()
    const { body } = await ask(ports.metrics, '/metrics')
    for (const line of [
      /^kubeproxy_sync_proxy_rules_duration_seconds_count [1-9]/m, /^kubeproxy_sync_full_proxy_rules_duration_seconds_count 1$/m, /^kubeproxy_sync_proxy_rules_last_timestamp_seconds 1\d{9}/m,
      /^kubeproxy_network_programming_duration_seconds_count 1$/m, /^kubeproxy_network_programming_duration_seconds_bucket\{le="2"\} 0$/m, /^kubeproxy_sync_proxy_rules_endpoint_changes_total 1$/m,
      /^kubeproxy_sync_proxy_rules_no_local_endpoints_total\{traffic_policy="internal"\} 1$/m, /^kubeproxy_sync_proxy_rules_no_local_endpoints_total\{traffic_policy="external"\} 1$/m,
      /^kubeproxy_sync_proxy_rules_service_changes_pending 0$/m, /^weft_proxy_services 1$/m,
    ]) expect(body).toMatch(line)
  })
})
