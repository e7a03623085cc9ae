import { Allocator, readRangeSets } from '@weft/allocator'
import type { Clock, Logger, Readiness, Registry } from '@weft/daemon'
import { PluginServer } from '@weft/plugin'
import { createIpamPluginMetrics } from '../metrics.ts'
import type { IpamPluginConfig } from '../program-config.ts'
import { ipamVerbs } from './ipam-verbs.ts'

/** File name of the plugin, and `ipam.type` in a network configuration. */
export const ipamPluginName = 'weft-ipam'

export interface IpamPluginDeps {
  readonly config: IpamPluginConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

/** The service behind a CNI IPAM plugin, for whatever plugins of others delegate to it. */
export interface IpamPlugin extends AsyncDisposable {
  /** Answers calls until aborted. */
  run(signal: AbortSignal): Promise<void>
  ready(): Readiness
  /** Ranges and attachments as a table. */
  dump(): string
}

/** @throws {IpamError} ERR_IPAM_STORE if the store cannot be opened, ERR_IPAM_INVALID_RANGE. */
export async function createIpamPlugin({ config, clock, logger, registry }: IpamPluginDeps): Promise<IpamPlugin> {
  const ranges = readRangeSets(config.ranges)
  const allocator = await Allocator.open({ storePath: config.storePath, cooldownMs: config.cooldown, now: () => clock.now(), logger, registry })
  if (allocator.setAside !== undefined) logger.error({ setAside: allocator.setAside }, 'the store of addresses could not be read: addresses in use may be given again')
  const metrics = createIpamPluginMetrics(registry)
  let server: { readonly listening: boolean } | undefined
  return {
    async run(signal) {
      const plugin = new PluginServer({
        socketPath: config.socketPath, spoolPath: config.spoolPath, timeoutMs: config.timeout, spoolIntervalMs: config.spoolInterval,
        verbs: ipamVerbs({ allocator, ranges, logger }), clock, logger, metrics, signal,
      })
      server = plugin
      await plugin.prepare()
      await plugin.replay()
      await plugin.run()
    },
    ready: () => server?.listening === true ? { ready: true, waiting: [] } : { ready: false, waiting: ['ipam socket'] },
    dump: () => allocator.dump(),
    [Symbol.asyncDispose]: () => allocator[Symbol.asyncDispose](),
  }
}
