import { type RangeSetText, rangeSetsSchema } from '@weft/allocator'
import { durationSchema } from '@weft/daemon'
import { z } from 'zod'

/** The service behind the CNI IPAM plugin, by itself. */
export interface IpamPluginConfig {
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  readonly adminSocket: string
  readonly socketPath: string
  readonly spoolPath: string
  readonly storePath: string
  readonly ranges: readonly RangeSetText[]
  /** Milliseconds. */
  readonly cooldown: number
  /** Milliseconds. */
  readonly timeout: number
  /** Milliseconds. */
  readonly spoolInterval: number
}

export const ipamPluginConfigSchema: z.ZodType<IpamPluginConfig> = z.strictObject({
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('Least level of log lines.'),
  adminSocket: z.string().default('/run/weft/ipam-admin.sock').describe('Unix socket, mode 0600, for health, metrics and the dump of addresses.'),
  socketPath: z.string().default('/run/weft/ipam.sock').describe('Unix socket the plugin connects to; mode 0600. Install the plugin anew after a change.'),
  spoolPath: z.string().default('/var/lib/cni/weft/ipam-spool').describe('Folder where the plugin leaves DELs while the service is away; it must survive restarts.'),
  storePath: z.string().default('/var/lib/cni/weft/ipam.db').describe('Database of addresses; a file of its own, not the agent\'s.'),
  ranges: rangeSetsSchema.default([]).describe('Range sets of networks that name none, as `host-local` writes them.'),
  cooldown: durationSchema.prefault('5s').describe('How long a freed address is given to nobody else.'),
  timeout: durationSchema.prefault('10s').describe('Longest a call may take; whoever delegates tries again.'),
  spoolInterval: durationSchema.prefault('5s').describe('How often the spool is looked at for a DEL that raced with the start of the service.'),
})
