import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { adminNetworkPolicyResource, adminRoutes, baselineAdminNetworkPolicyResource, clusterNetworkPolicyResource, endpointSliceResource, namespaceResource, networkPolicyResource, nodeResource, podResource, policyCalls, serviceResource, tables } from '@weft/api'
import { createRegistry, keepYoungGenerationSmall, loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { EventRecorder, inClusterClient, Informers, kubeconfigClient } from '@weft/kube'
import { Conntrack, packetLog, packetLogPresent } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { catchUpPolicies } from './catch-up-policies.ts'
import { policyAnswers } from './explain/policy-answers.ts'
import { createPolicy } from './policy.ts'
import { policyTarget } from './policy-target.ts'
import { policyProgramConfigSchema } from './program-config.ts'

keepYoungGenerationSmall()
const { values } = parseArgs({ options: { config: { type: 'string', default: '/etc/weft/policy.yaml' } } })

await runMain(pinoLogger({ name: 'weft-policy', level: 'info' }), async (signal) => {
  const config = loadConfig(policyProgramConfigSchema, await readFile(values.config, 'utf8'), { source: values.config, defaults: { nodeName: process.env['NODE_NAME'] } })
  const logger = pinoLogger({ name: 'weft-policy', level: config.logLevel })
  const { credentialsFolder, kubeconfig, servers } = config.kube
  const client = kubeconfig === undefined ? inClusterClient({ servers, credentialsFolder }) : await kubeconfigClient(kubeconfig, { servers })
  const clock = realClock
  const registry = createRegistry({ process: true })
  const recorder = new EventRecorder({ client, source: { component: 'weft-policy', host: config.nodeName }, clock, logger })
  using nft = await NftSocket.open()
  using flows = await Conntrack.open()
  const informers = new Informers({ client, recorder, clock, logger, registry })
  const stores = {
    pods: informers.keep(podResource), namespaces: informers.keep(namespaceResource), policies: informers.keep(networkPolicyResource), nodes: informers.keep(nodeResource),
    services: informers.keep(serviceResource), slices: informers.keep(endpointSliceResource),
    clusterPolicies: [informers.keep(clusterNetworkPolicyResource), informers.keep(adminNetworkPolicyResource), informers.keep(baselineAdminNetworkPolicyResource)] as const,
  }
  const policy = createPolicy({
    ...stores, config: config.policy, nodeName: config.nodeName, podsOfNode: config.nodeName, closesRanges: config.unknownPods === 'closed', catchUp: catchUpPolicies({ client, clock, ...stores }), nft, flows, packetLog: await packetLogPresent() ? packetLog : undefined, clock, logger, registry,
    onRefused: (refused, message) => recorder.record(policyTarget(refused), 'Warning', { reason: 'PartlyRefused', message }),
  })
  const open = { registry, ready: () => policy.ready(), logger }
  await using _admin = await serveAdmin({ ...open, listen: { path: config.adminSocket }, routes: adminRoutes(policyCalls, policyAnswers(policy)) })
  await using _health = config.health === undefined ? undefined : await serveAdmin({ ...open, listen: { host: config.health.address, port: config.health.port } })

  async function watchEdits(): Promise<void> {
    for await (const _event of await nft.watch({ family: 'inet', name: tables.policy }, { signal })) policy.recheck()
  }
  await Promise.all([
    informers.run(signal),
    recorder.run(signal),
    watchEdits(),
    policy.run(signal),
  ])
})
