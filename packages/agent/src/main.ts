import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { adminRoutes, agentCalls } from '@weft/api'
import { keepYoungGenerationSmall, loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { warmThreadPool } from '@weft/netlink'
import { createAgent } from './agent.ts'
import { agentConfigSchema } from './config.ts'
import { connect } from './connect.ts'
import { writeNetworkCondition } from './node-condition.ts'

keepYoungGenerationSmall()
// Before anything enters another namespace: pool threads stay where they are born (netlink's DESIGN.md).
await warmThreadPool()
const { values } = parseArgs({ options: { config: { type: 'string', default: '/etc/weft/agent.yaml' } } })

await runMain(pinoLogger({ name: 'weft-agent', level: 'info' }), async (signal) => {
  const config = loadConfig(agentConfigSchema, await readFile(values.config, 'utf8'), { source: values.config, defaults: { nodeName: process.env['NODE_NAME'] } })
  const logger = pinoLogger({ name: 'weft-agent', level: config.logLevel })
  const client = await connect(config.kube, logger)
  await using agent = await createAgent({ config, client, clock: realClock, logger }).catch(async (error: unknown) => {
    // Whoever looks at the node sees why; the log has it in any case.
    await writeNetworkCondition(client, config.nodeName, { available: false, message: `Weft cannot start: ${error instanceof Error ? error.message : String(error)}` }).catch(() => undefined)
    throw error
  })
  const open = { registry: agent.registry, ready: agent.ready, logger }
  await using _admin = await serveAdmin({
    ...open,
    listen: { path: config.adminSocket },
    routes: adminRoutes(agentCalls, agent.answers),
  })
  await using _health = config.health === undefined ? undefined : await serveAdmin({ ...open, listen: { host: config.health.address, port: config.health.port } })
  await agent.run(signal)
})
