import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { adminRoutes, controllerCalls } from '@weft/api'
import { loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { inClusterClient, kubeconfigClient } from '@weft/kube'
import { controllerConfigSchema } from './config.ts'
import { createController } from './controller.ts'

const { values } = parseArgs({ options: { config: { type: 'string', default: '/etc/weft/controller.yaml' } } })

await runMain(pinoLogger({ name: 'weft-controller', level: 'info' }), async (signal) => {
  const config = loadConfig(controllerConfigSchema, await readFile(values.config, 'utf8'), { source: values.config, defaults: { identity: process.env['POD_NAME'] } })
  const logger = pinoLogger({ name: 'weft-controller', level: config.logLevel })
  const { servers, credentialsFolder, kubeconfig } = config.kube
  const client = kubeconfig === undefined ? inClusterClient({ servers, credentialsFolder }) : await kubeconfigClient(kubeconfig)
  const controller = createController({ config, client, clock: realClock, logger })
  const open = { registry: controller.registry, ready: controller.ready, logger }
  await using _admin = await serveAdmin({
    ...open,
    listen: { path: config.adminSocket },
    routes: adminRoutes(controllerCalls, controller.answers),
  })
  await using _health = config.health === undefined ? undefined : await serveAdmin({ ...open, listen: { host: config.health.address, port: config.health.port } })
  await controller.run(signal)
})
