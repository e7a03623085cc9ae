import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { adminRoutes, dnsCalls, endpointSliceResource, namespaceResource, type Namespace, type EndpointSlice, type Pod, podResource, type Service, serviceResource } from '@weft/api'
import { createRegistry, loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { createKubeMetrics, EventRecorder, inClusterClient, kubeconfigClient, reflect, type ReflectOptions, type Resource, Store, type StoredObject, targetOf } from '@weft/kube'
import { createDns } from './dns.ts'
import { dnsProgramConfigSchema } from './program-config.ts'

const { values } = parseArgs({ options: { config: { type: 'string', default: '/etc/weft/dns.yaml' } } })
const config = loadConfig(dnsProgramConfigSchema, await readFile(values.config, 'utf8'), { source: values.config, defaults: { nodeName: process.env['NODE_NAME'] } })
const logger = pinoLogger({ name: 'weft-dns', level: config.logLevel })

await runMain(logger, async (signal) => {
  const { credentialsFolder, kubeconfig, servers } = config.kube
  const client = kubeconfig === undefined ? inClusterClient({ servers, credentialsFolder }) : await kubeconfigClient(kubeconfig, { servers })
  const registry = createRegistry()
  const clock = realClock
  const recorder = new EventRecorder({ client, source: { component: 'weft-dns', host: config.nodeName }, clock, logger })
  const stores = {
    services: new Store<Service>(),
    endpointSlices: new Store<EndpointSlice>(),
    namespaces: new Store<Namespace>(),
    pods: config.dns.pods === 'verified' ? new Store<Pod>() : undefined,
  }
  const dns = createDns({
    config: config.dns,
    stores,
    clock,
    logger,
    registry,
    onRefused: (key, error) => {
      const [namespace, name] = key.split('/')
      recorder.record({ apiVersion: 'v1', kind: 'Service', namespace, name: name!, uid: stores.services.get(key)?.uid }, 'Warning', { reason: 'NotInDns', message: error.message })
    },
  })
  const readiness = { registry, ready: () => dns.ready(), logger }
  await using _admin = await serveAdmin({ ...readiness, listen: { path: config.adminSocket }, routes: adminRoutes(dnsCalls, { dumpZone: () => dns.dump() }) })
  await using _health = config.health === undefined ? undefined : await serveAdmin({ ...readiness, listen: { host: config.health.address, port: config.health.port } })

  // What follows the API server goes on through lameduck: it ends when the server has.
  const done = new AbortController()
  const metrics = createKubeMetrics(registry)
  const follow = async <T extends StoredObject>(resource: Resource<T>, kind: { readonly apiVersion: string, readonly kind: string }, store: Store<T>): Promise<void> => {
    const onRefused: ReflectOptions['onRefused'] = (object, error) => recorder.record(targetOf(object, kind), 'Warning', { reason: 'Invalid', message: error instanceof Error ? error.message : String(error) })
    await reflect(client, resource, store, { clock, logger, metrics, onRefused, signal: done.signal })
  }
  const following = Promise.all([
    follow(serviceResource, { apiVersion: 'v1', kind: 'Service' }, stores.services),
    follow(endpointSliceResource, { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' }, stores.endpointSlices),
    follow(namespaceResource, { apiVersion: 'v1', kind: 'Namespace' }, stores.namespaces),
    stores.pods === undefined ? undefined : follow(podResource, { apiVersion: 'v1', kind: 'Pod' }, stores.pods),
    recorder.run(done.signal),
  ])
  try {
    await Promise.race([dns.run(signal), following])
  } finally {
    done.abort(signal.reason)
    await following.catch(() => undefined)
  }
})
