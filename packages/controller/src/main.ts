import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { inClusterClient, kubeconfigClient } from '@weft/kube'
import { controllerConfigSchema } from './config.ts'
import { createController } from './controller.ts'

const { values } = parseArgs({ options: { config: { type: 'string', default: '/etc/weft/controller.yaml' } } })

await runMain(pinoLogger({ name: 'weft-controller', level: 'info' }), async (signal) => {
  const config = loadConfig(controllerConfigSchema, await readFile(values.config, 'utf8'), { source: values.config })
  const logger = pinoLogger({ name: 'weft-controller', level: config.logLevel })
  const { servers, credentialsFolder, kubeconfig } = config.kube
  const client = kubeconfig === undefined ? inClusterClient({ servers, credentialsFolder }) : await kubeconfigClient(kubeconfig)
  const controller = createController({ config, client, clock: realClock, logger })
  await using _admin = await serveAdmin({
    listen: { path: config.adminSocket },
    registry: controller.registry,
    ready: controller.ready,
    routes: Object.fromEntries(Object.entries(controller.dumps).map(([name, dump]) => [`/dump/${name}`, () => dump()])),
    logger,
  })
  await controller.run(signal)
})
