import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { adminRoutes, agentCalls, networkReasons } from '@weft/api'
import { keepYoungGenerationSmall, loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { messageOf } from '@weft/daemon/message-of'
import { warmThreadPool } from '@weft/netlink'
import { leaveReason } from '@weft/plugin'
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
  /** Whoever looks at the node sees why, and so does the container runtime; the log has it in any case. A node that forwards goes on. */
  const tell = async (failure: unknown, forwards = false): Promise<never> => {
    const message = `Weft cannot ${forwards ? 'go on' : 'start'}: ${messageOf(failure)}`
    await Promise.allSettled([leaveReason(config.cni.socketPath, message), forwards ? undefined : writeNetworkCondition(client, config.nodeName, { reason: networkReasons.notReady, message })])
    throw failure
  }
  await using agent = await createAgent({ config, client, clock: realClock, logger }).catch((error: unknown) => tell(error))
  const open = { registry: agent.registry, ready: agent.ready, logger }
  await using _admin = await serveAdmin({
    ...open,
    listen: { path: config.adminSocket },
    routes: adminRoutes(agentCalls, agent.answers),
  })
  await using _health = config.health === undefined ? undefined : await serveAdmin({ ...open, listen: { host: config.health.address, port: config.health.port } })
  await agent.run(signal).catch((error: unknown) => tell(error, agent.ready().ready))
})
