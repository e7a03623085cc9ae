// What an init container does before the agent starts: the node forwards, and the plugin lies where the runtime looks for
// it. It ends; the agent itself never may write a program of the node.
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { forwardingSysctls } from '@weft/api'
import { installPlugin, pluginName } from '@weft/cni'
import { loadConfig, type Logger, runMain } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { isNotFound, warmThreadPool, writeSysctls } from '@weft/netlink'
import { agentConfigSchema } from './config.ts'

await warmThreadPool()
const { values } = parseArgs({
  options: { 'config': { type: 'string', default: '/etc/weft/agent.yaml' }, 'bin-dir': { type: 'string', default: '/opt/cni/bin' }, 'plugin': { type: 'string', default: '/usr/lib/weft/weft-cni' } },
})

await runMain(pinoLogger({ name: 'weft-prepare-node', level: 'info' }), async () => {
  const config = loadConfig(agentConfigSchema, await readFile(values.config, 'utf8'), { source: values.config, defaults: { nodeName: process.env['NODE_NAME'] } })
  const logger = pinoLogger({ name: 'weft-prepare-node', level: config.logLevel })
  for (const sysctls of forwardingSysctls) await forward(sysctls, config.sysctlFolder, logger)
  await installPlugin({ ...config.cni, binDir: values['bin-dir'], program: { kind: 'binary', path: values.plugin } })
  logger.info({ binDir: values['bin-dir'], plugin: pluginName }, 'node prepared')
})

/** A kernel without one of the families is told, and is no reason to leave the other. */
async function forward(sysctls: Readonly<Record<string, string>>, folder: string, logger: Logger): Promise<void> {
  try {
    await writeSysctls(undefined, sysctls, { folder })
  } catch (error) {
    if (!isNotFound(error)) throw error
    logger.warn({ sysctls: Object.keys(sysctls) }, 'the kernel does not have this setting')
  }
}
