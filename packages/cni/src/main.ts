// weft-cni [serve] --config FILE · weft-cni install | uninstall --config FILE
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { forwardingSysctls } from '@weft/api'
import { Allocator, readRangeSets } from '@weft/allocator'
import { createRegistry, loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { Conntrack, RouteSocket, warmThreadPool, writeSysctls } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { shimProgram } from '@weft/plugin'
import { createCni } from './cni.ts'
import { installNetwork, installPlugin, pluginName, uninstallCni } from './install.ts'
import { cniProgramConfigSchema } from './program-config.ts'
import { lonePorts } from './standalone/lone-ports.ts'

await warmThreadPool()
const { values, positionals: [command = 'serve'] } = parseArgs({
  allowPositionals: true,
  options: { 'config': { type: 'string' }, 'cache-dir': { type: 'string', default: '/var/cache/weft' } },
})

await runMain(pinoLogger({ name: pluginName, level: 'info' }), async (signal) => {
  const config = loadConfig(cniProgramConfigSchema, values.config === undefined ? '{}' : await readFile(values.config, 'utf8'), { source: values.config ?? 'defaults' })
  const logger = pinoLogger({ name: pluginName, level: config.logLevel })
  const { binDir, confDir, network } = config
  switch (command) {
    case 'install':
      await installPlugin({ ...config.cni, binDir, program: await shimProgram(values['cache-dir']) })
      // Last: from then on the runtime starts pods. Ranges are the server's, which may change them.
      await installNetwork({ confDir, network })
      return
    case 'uninstall':
      await uninstallCni({ binDir, confDir })
      return
    case 'serve': {
      const ranges = readRangeSets(config.ranges)
      const registry = createRegistry({ process: true })
      for (const sysctls of forwardingSysctls) await writeSysctls(undefined, sysctls, { folder: config.sysctlFolder })
      await using allocator = await Allocator.open({ storePath: config.storePath, cooldownMs: config.cooldown, logger, registry })
      using route = await RouteSocket.open()
      using nft = await NftSocket.open()
      using conntrack = await Conntrack.open()
      const cni = createCni({
        config: config.cni, ports: lonePorts({ route, allocator, ranges }), route, nft, conntrack, sysctlFolder: config.sysctlFolder,
        masquerade: config.masquerade ? ranges.flat().map(({ subnet }) => subnet) : [], clock: realClock, logger, registry,
      })
      await using _admin = await serveAdmin({ listen: { path: config.adminSocket }, registry, ready: () => cni.ready(), routes: { '/dump/cni': () => cni.dump() }, logger })
      await cni.run(signal)
      return
    }
    default:
      throw new RangeError(`Cannot run "${command}": wanted serve, install or uninstall`)
  }
})
