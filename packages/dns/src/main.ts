import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { adminRoutes, dnsCalls, endpointSliceResource, namespaceResource, podResource, serviceResource } from '@weft/api'
import { createRegistry, loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { EventRecorder, inClusterClient, Informers, kubeconfigClient } from '@weft/kube'
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
  const recorder = new EventRecorder({ client, source: { component: 'weft-dns', host: config.nodeName ?? '' }, clock, logger })
  const informers = new Informers({ client, recorder, clock, logger, registry })
  const stores = {
    services: informers.keep(serviceResource),
    endpointSlices: informers.keep(endpointSliceResource),
    namespaces: informers.keep(namespaceResource),
    pods: config.dns.pods === 'verified' ? informers.keep(podResource) : undefined,
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
  const following = Promise.all([informers.run(done.signal), recorder.run(done.signal)])
  try {
    await Promise.race([dns.run(signal), following])
  } finally {
    done.abort(signal.reason)
    await following.catch(() => undefined)
  }
})
