// weft-ipam [serve] --config FILE · weft-ipam install | uninstall --config FILE [--bin-dir DIR]
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { createRegistry, loadConfig, realClock, runMain, serveAdmin } from '@weft/daemon'
import { pinoLogger } from '@weft/daemon/pino'
import { placePlugin, removePlugin, shimProgram } from '@weft/plugin'
import { createIpamPlugin, ipamPluginName } from './plugin/ipam-plugin.ts'
import { ipamPluginConfigSchema } from './program-config.ts'

const { values, positionals: [command = 'serve'] } = parseArgs({
  allowPositionals: true,
  options: { 'config': { type: 'string' }, 'bin-dir': { type: 'string', default: '/opt/cni/bin' }, 'cache-dir': { type: 'string', default: '/var/cache/weft' } },
})

await runMain(pinoLogger({ name: ipamPluginName, level: 'info' }), async (signal) => {
  const config = loadConfig(ipamPluginConfigSchema, values.config === undefined ? '{}' : await readFile(values.config, 'utf8'), { source: values.config ?? 'defaults' })
  const logger = pinoLogger({ name: ipamPluginName, level: config.logLevel })
  const place = { name: ipamPluginName, binDir: values['bin-dir'] }
  switch (command) {
    case 'install':
      await placePlugin({ ...place, socketPath: config.socketPath, spoolPath: config.spoolPath, program: await shimProgram(values['cache-dir']) })
      return
    case 'uninstall':
      await removePlugin(place)
      return
    case 'serve': {
      const registry = createRegistry({ process: true })
      await using plugin = await createIpamPlugin({ config, clock: realClock, logger, registry })
      await using _admin = await serveAdmin({ listen: { path: config.adminSocket }, registry, ready: () => plugin.ready(), routes: { '/dump/ipam': () => plugin.dump() }, logger })
      await plugin.run(signal)
      return
    }
    default:
      throw new RangeError(`Cannot run "${command}": wanted serve, install or uninstall`)
  }
})
