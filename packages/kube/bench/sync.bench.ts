// How long and how much memory a first sync takes, and what one change costs.
// node -C dev --expose-gc bench/sync.bench.ts [services] [slices] [endpoints per slice]
// The server runs in a child process, so that memory and CPU are the client's own.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { realClock } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { createKubeClient } from '../src/http-client.ts'
import { isRecord } from '../src/object.ts'
import { reflect } from '../src/reflect.ts'
import type { Resource } from '../src/resource.ts'
import { Store } from '../src/store.ts'
import { FakeApiServer } from '../src/testing/fake-api-server.ts'
import type { FakeObject } from '../src/testing/fake-object.ts'

const [services = 10_000, slices = 5_000, endpoints = 50] = process.argv.slice(2).map(Number)
const servicesPath = '/api/v1/services'
const slicesPath = '/apis/discovery.k8s.io/v1/endpointslices'

interface Trimmed {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly labels: unknown
  readonly body: unknown
}

function trimWith(pick: (object: Readonly<Record<string, unknown>>) => unknown): (object: unknown) => Trimmed {
  return (object) => {
    if (!isRecord(object) || !isRecord(object['metadata'])) throw new Error('no object')
    const { namespace, name, uid, resourceVersion, labels } = object['metadata']
    return { namespace: String(namespace), name: String(name), uid: String(uid), resourceVersion: String(resourceVersion), labels, body: pick(object) }
  }
}

const resources: Resource<Trimmed>[] = [
  { kind: 'Service', apiVersion: 'v1', name: 'services', path: servicesPath, trim: trimWith((object) => isRecord(object['spec']) ? { ports: object['spec']['ports'], clusterIPs: object['spec']['clusterIPs'] } : undefined) },
  { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1', name: 'endpointslices', path: slicesPath, trim: trimWith((object) => Array.isArray(object['endpoints']) ? object['endpoints'].map((endpoint: Readonly<Record<string, unknown>>) => ({ addresses: endpoint['addresses'], ready: isRecord(endpoint['conditions']) && endpoint['conditions']['ready'], nodeName: endpoint['nodeName'] })) : []) },
]

function meta(name: string): FakeObject['metadata'] {
  return {
    name,
    namespace: `ns${Number(name.slice(1)) % 50}`,
    labels: { 'app': name, 'app.kubernetes.io/managed-by': 'helm', 'kubernetes.io/service-name': name },
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': 'x'.repeat(600) },
  }
}

function service(index: number): FakeObject {
  const ip = `10.96.${index >> 8 & 255}.${index & 255}`
  return { metadata: meta(`s${index}`), spec: { clusterIP: ip, clusterIPs: [ip], ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }], selector: { app: `s${index}` }, type: 'ClusterIP', sessionAffinity: 'None' } }
}

function slice(index: number): FakeObject {
  return {
    metadata: meta(`e${index}`),
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpoints }, (_, pod) => ({
      addresses: [`10.244.${index & 255}.${pod}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${pod}`,
      targetRef: { kind: 'Pod', namespace: 'ns', name: `pod-${index}-${pod}`, uid: `00000000-0000-4000-8000-${index}-${pod}` },
    })),
  }
}

async function serve(): Promise<void> {
  const server = await FakeApiServer.start()
  for (let index = 0; index < services; index += 1) server.api.put(servicesPath, service(index))
  for (let index = 0; index < slices; index += 1) server.api.put(slicesPath, slice(index))
  server.api.compact()
  process.send!(server.url)
  process.on('message', (round) => {
    for (let index = 0; index < 1_000; index += 1) server.api.put(servicesPath, { ...service(index), metadata: { ...meta(`s${index}`), labels: { round: JSON.stringify(round) } } })
  })
}

async function sync(url: string, watchList: boolean, change: () => void): Promise<void> {
  await using client = createKubeClient({ server: url })
  await client.request('GET', '/api/v1/nodes')
  globalThis.gc?.()
  const before = process.memoryUsage()
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const stopping = new AbortController()
  const stores = resources.map(() => new Store<Trimmed>({ indexes: { namespace: ({ namespace }) => namespace } }))
  const began = performance.now()
  const cpu = process.cpuUsage()
  const running = resources.map(async (resource, index) => await reflect(client, resource, stores[index]!, { clock: realClock, logger: silentLogger, signal: stopping.signal, watchList }))
  const times = await Promise.all(stores.map(async (store) => {
    await store.whenSynced()
    return performance.now() - began
  }))
  const used = process.cpuUsage(cpu)
  const stall = delay.max / 1e6
  delay.disable()
  globalThis.gc?.()
  const after = process.memoryUsage()
  console.log(`${watchList ? 'watch-list' : 'pages     '}: ${stores[0]!.size} services in ${times[0]!.toFixed(0)} ms, ${stores[1]!.size} slices x ${endpoints} in ${times[1]!.toFixed(0)} ms, CPU ${((used.user + used.system) / 1000).toFixed(0)} ms, longest stall ${stall.toFixed(0)} ms, heap +${((after.heapUsed - before.heapUsed) / 1e6).toFixed(1)} MB, rss ${(after.rss / 1e6).toFixed(0)} MB`)
  let left = 1_000
  const done = Promise.withResolvers<void>()
  stores[0]!.subscribe(() => {
    left -= 1
    if (left === 0) done.resolve()
  })
  const cpuBefore = process.cpuUsage()
  change()
  await done.promise
  const spent = process.cpuUsage(cpuBefore)
  console.log(`  1000 updates: ${((spent.user + spent.system) / 1000).toFixed(1)} us of CPU each`)
  stopping.abort()
  await Promise.all(running)
}

if (process.send !== undefined) {
  await serve()
} else {
  const child = fork(import.meta.filename, process.argv.slice(2))
  const [url]: unknown[] = await once(child, 'message')
  for (const [round, watchList] of [true, false, true, false].entries()) await sync(String(url), watchList, () => child.send(round))
  child.kill()
}
