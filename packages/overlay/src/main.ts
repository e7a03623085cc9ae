import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { adminRoutes, ipBlockResource, nodeResource, overlayCalls, tables } from '@weft/api'
import { createRegistry, loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { EventRecorder, inClusterClient, Informers, kubeconfigClient } from '@weft/kube'
import { RouteSocket, warmThreadPool, writeSysctls } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { createOverlay } from './overlay.ts'
import { overlayProgramConfigSchema } from './program-config.ts'

// Before anything enters another namespace: pool threads stay where they are born (netlink's DESIGN.md).
await warmThreadPool()
const { values } = parseArgs({ options: { config: { type: 'string', default: '/etc/weft/overlay.yaml' } } })
const config = loadConfig(overlayProgramConfigSchema, await readFile(values.config, 'utf8'), { source: values.config, defaults: { nodeName: process.env['NODE_NAME'] } })
const logger = pinoLogger({ name: 'weft-overlay', level: config.logLevel })

await runMain(logger, async (signal) => {
  const { credentialsFolder, kubeconfig, servers } = config.kube
  const client = kubeconfig === undefined ? inClusterClient({ servers, credentialsFolder }) : await kubeconfigClient(kubeconfig, { servers })
  const registry = createRegistry({ process: true })
  const clock = realClock
  const recorder = new EventRecorder({ client, source: { component: 'weft-overlay', host: config.nodeName }, clock, logger })
  using route = await RouteSocket.open()
  using nft = await NftSocket.open()
  const informers = new Informers({ client, recorder, clock, logger, registry })
  const nodes = informers.keep(nodeResource)
  const blocks = config.blocks ? informers.keep(ipBlockResource) : undefined
  const overlay = createOverlay({
    config: config.overlay, nodeName: config.nodeName, nodes, blocks, kernel: { route, nft }, clock, logger, registry,
    writeSysctls: (sysctls) => writeSysctls(undefined, sysctls),
  })
  await using _admin = await serveAdmin({ listen: { path: config.adminSocket }, registry, ready: () => overlay.ready(), routes: adminRoutes(overlayCalls, { dumpOverlay: () => overlay.dump() }), logger })

  const followEdits = async (): Promise<void> => {
    for await (const _ of await nft.watch({ family: 'inet', name: tables.overlay }, { signal })) overlay.recheck()
  }
  await Promise.all([
    informers.run(signal), recorder.run(signal), overlay.run(signal), followEdits(),
  ])
})
