import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { adminRoutes, endpointSliceResource, nodeResource, proxyCalls, serviceResource } from '@weft/api'
import { createRegistry, keepHeapSmall, loadConfig, realClock as clock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { EventRecorder, inClusterClient, Informers, kubeconfigClient } from '@weft/kube'
import { Conntrack, readSysctls, RouteSocket, trimMemory, writeSysctls } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { type Sysctls, tracksSctp, tuneConntrack } from './conntrack-settings.ts'
import { followEdits } from './follow-edits.ts'
import { LinkAddresses } from './link-addresses.ts'
import { followOccupancy } from './occupancy.ts'
import { proxyProgramConfigSchema } from './program-config.ts'
import { proxyAnswers } from './proxy-answers.ts'
import { createProxy } from './proxy.ts'
import { nodeTarget, serveHealth, serviceTarget } from './serve-health.ts'
import { reportLeftovers } from './takeover.ts'
import { serviceCidrResource } from './service-cidr.ts'

keepHeapSmall()
const { values } = parseArgs({ options: { config: { type: 'string', default: '/etc/weft/proxy.yaml' } } })
const config = loadConfig(proxyProgramConfigSchema, await readFile(values.config, 'utf8'), { source: values.config, defaults: { nodeName: process.env['NODE_NAME'] } })
const logger = pinoLogger({ name: 'weft-proxy', level: config.logLevel })

await runMain(logger, async (signal) => {
  const { nodeName, sysctlFolder: folder } = config
  const { credentialsFolder, kubeconfig, servers } = config.kube
  const client = kubeconfig === undefined ? inClusterClient({ servers, credentialsFolder }) : await kubeconfigClient(kubeconfig, { servers })
  const registry = createRegistry()
  const recorder = new EventRecorder({ client, source: { component: 'weft-proxy', host: nodeName }, clock, logger })
  const informers = new Informers({ client, recorder, clock, logger, registry })
  const stores = { nodes: informers.keep(nodeResource), services: informers.keep(serviceResource), slices: informers.keep(endpointSliceResource), serviceCidrs: informers.keep(serviceCidrResource) }
  using nft = await NftSocket.open()
  using flows = await Conntrack.open()
  using addresses = await RouteSocket.open()
  const local = config.proxy.nodePortAddresses === 'primary' ? undefined : new LinkAddresses({ route: addresses, clock, logger })
  const sysctls: Sysctls = { read: (names) => readSysctls(undefined, names), write: (settings) => writeSysctls(undefined, settings, { folder }) }
  const proxy = createProxy({
    ...stores, config: config.proxy, nodeName, local, nft, flows, addresses, clock, logger, registry,
    onRefused: (key, error) => recorder.record(serviceTarget(key, stores.services.get(key)), 'Warning', { reason: 'NotServed', message: error.message }),
    tracksSctp: () => tracksSctp(sysctls),
    onLacking: (message) => recorder.record(nodeTarget(nodeName), 'Warning', { reason: 'KernelLacks', message }),
  })
  const open = { registry, ready: proxy.ready, logger }
  await using _admin = await serveAdmin({ ...open, listen: { path: config.adminSocket }, routes: adminRoutes(proxyCalls, proxyAnswers({ nft, proxy })) })
  await using _health = config.health === undefined ? undefined : await serveAdmin({ ...open, listen: { host: config.health.address, port: config.health.port } })

  // What taking in the whole cluster needed for a moment.
  void proxy.whenReady(signal).then(trimMemory, () => undefined)

  await Promise.all([
    informers.run(signal),
    recorder.run(signal),
    proxy.run(signal),
    tuneConntrack({ config: config.proxy.conntrack, cores: availableParallelism(), sysctls, proxy, logger }, signal),
    reportLeftovers({ nft, proxy, nodeName, recorder, logger }, signal),
    serveHealth({ ...stores, config: config.proxy, nodeName, local, proxy, registry, recorder, clock, logger }, signal),
    local?.run(signal),
    followOccupancy({ nft, sysctls, nodeName, recorder, registry, clock, logger }, signal),
    followEdits({ nft, recheck: proxy.recheck, clock, logger, signal }),
  ])
})
