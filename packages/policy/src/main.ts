import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type EndpointSlice, endpointSliceResource, type Namespace, namespaceResource, type NetworkPolicy, networkPolicyResource, type Pod, podResource, type Service, serviceResource, tables } from '@weft/api'
import { createRegistry, loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { createKubeMetrics, EventRecorder, inClusterClient, kubeconfigClient, reflect, type Resource, Store, type StoredObject, targetOf } from '@weft/kube'
import { NftSocket } from '@weft/nftables'
import { createPolicy } from './policy.ts'
import { policyProgramConfigSchema } from './program-config.ts'

const { values } = parseArgs({ options: { config: { type: 'string', default: '/etc/weft/policy.yaml' } } })

await runMain(pinoLogger({ name: 'weft-policy', level: 'info' }), async (signal) => {
  const config = loadConfig(policyProgramConfigSchema, await readFile(values.config, 'utf8'), { source: values.config })
  const logger = pinoLogger({ name: 'weft-policy', level: config.logLevel })
  const { credentialsFolder, kubeconfig, servers } = config.kube
  const client = kubeconfig === undefined ? inClusterClient({ servers, credentialsFolder }) : await kubeconfigClient(kubeconfig, { servers })
  const clock = realClock
  const registry = createRegistry({ process: true })
  const metrics = createKubeMetrics(registry)
  const recorder = new EventRecorder({ client, source: { component: 'weft-policy', host: config.nodeName }, clock, logger })
  using nft = await NftSocket.open()
  const stores = { pods: new Store<Pod>(), namespaces: new Store<Namespace>(), policies: new Store<NetworkPolicy>(), services: new Store<Service>(), slices: new Store<EndpointSlice>() }
  const policy = createPolicy({ ...stores, config: config.policy, podsOfNode: config.nodeName, nft, clock, logger, registry })
  await using _admin = await serveAdmin({ listen: { path: config.adminSocket }, registry, ready: () => policy.ready(), routes: { '/dump/policy': () => policy.dump() }, logger })

  async function follow<T extends StoredObject>(resource: Resource<T>, store: Store<T>, kind: string, apiVersion = 'v1'): Promise<void> {
    const onRefused = (object: unknown, error: unknown): void => recorder.record(targetOf(object, { apiVersion, kind }), 'Warning', { reason: 'Refused', message: error instanceof Error ? error.message : String(error) })
    await reflect(client, resource, store, { clock, logger, metrics, onRefused, signal })
  }
  async function watchEdits(): Promise<void> {
    for await (const _event of await nft.watch({ family: 'inet', name: tables.policy }, { signal })) policy.recheck()
  }
  await Promise.all([
    follow(podResource, stores.pods, 'Pod'),
    follow(namespaceResource, stores.namespaces, 'Namespace'),
    follow(networkPolicyResource, stores.policies, 'NetworkPolicy', 'networking.k8s.io/v1'),
    follow(serviceResource, stores.services, 'Service'),
    follow(endpointSliceResource, stores.slices, 'EndpointSlice', 'discovery.k8s.io/v1'),
    recorder.run(signal),
    watchEdits(),
    policy.run(signal),
  ])
})
