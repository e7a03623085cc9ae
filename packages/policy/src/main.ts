import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { adminNetworkPolicyResource, adminRoutes, baselineAdminNetworkPolicyResource, type ClusterNetworkPolicy, clusterNetworkPolicyResource, type EndpointSlice, endpointSliceResource, type Namespace, namespaceResource, type NetworkPolicy, networkPolicyResource, type Node, nodeResource, type Pod, podResource, policyCalls, type Service, serviceResource, tables } from '@weft/api'
import { createRegistry, loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { createKubeMetrics, EventRecorder, inClusterClient, kubeconfigClient, reflect, type Resource, Store, type StoredObject, targetOf } from '@weft/kube'
import { Conntrack, packetLog, packetLogPresent } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { policyAnswers } from './explain/policy-answers.ts'
import { createPolicy } from './policy.ts'
import { policyTarget } from './policy-target.ts'
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
  using flows = await Conntrack.open()
  const stores = { pods: new Store<Pod>(), namespaces: new Store<Namespace>(), policies: new Store<NetworkPolicy>(), nodes: new Store<Node>(), services: new Store<Service>(), slices: new Store<EndpointSlice>() }
  const clusterKinds = [clusterNetworkPolicyResource, adminNetworkPolicyResource, baselineAdminNetworkPolicyResource].map((resource) => ({ resource, store: new Store<ClusterNetworkPolicy>() }))
  const policy = createPolicy({
    ...stores, clusterPolicies: clusterKinds.map(({ store }) => store), config: config.policy, nodeName: config.nodeName, podsOfNode: config.nodeName, nft, flows, packetLog: await packetLogPresent() ? packetLog : undefined, clock, logger, registry,
    onRefused: (refused, message) => recorder.record(policyTarget(refused), 'Warning', { reason: 'PartlyRefused', message }),
  })
  await using _admin = await serveAdmin({ listen: { path: config.adminSocket }, registry, ready: () => policy.ready(), routes: adminRoutes(policyCalls, policyAnswers(policy)), logger })

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
    ...clusterKinds.map(({ resource, store }) => follow({ ...resource, optional: true }, store, resource.kind, resource.apiVersion)),
    follow(nodeResource, stores.nodes, 'Node'),
    follow(serviceResource, stores.services, 'Service'),
    follow(endpointSliceResource, stores.slices, 'EndpointSlice', 'discovery.k8s.io/v1'),
    recorder.run(signal),
    watchEdits(),
    policy.run(signal),
  ])
})
