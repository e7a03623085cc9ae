import { type RangeSetText, rangeSetsSchema } from '@weft/allocator'
import { durationSchema } from '@weft/daemon'
import { z } from 'zod'
import { type CniConfig, cniConfigSchema } from './config.ts'

/** The CNI server of a machine by itself, without Kubernetes and without any other part of Weft. */
export interface CniProgramConfig {
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  readonly adminSocket: string
  readonly storePath: string
  /** Milliseconds. */
  readonly cooldown: number
  readonly ranges: readonly RangeSetText[]
  readonly masquerade: boolean
  readonly sysctlFolder: string
  readonly binDir: string
  readonly confDir: string
  readonly network: string
  readonly cni: CniConfig
}

export const cniProgramConfigSchema: z.ZodType<CniProgramConfig> = z.strictObject({
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('Least level of log lines.'),
  adminSocket: z.string().default('/run/weft/cni-admin.sock').describe('Unix socket, mode 0600, for health, metrics and the dump of attachments.'),
  storePath: z.string().default('/var/lib/cni/weft/attachments.db').describe('Database of attachments; it must survive restarts.'),
  cooldown: durationSchema.prefault('5s').describe('How long a freed address is given to nobody else.'),
  ranges: rangeSetsSchema.default([]).describe('Range sets of this machine, as `host-local` writes them; a configuration with `ipam.ranges` or a runtime with `ipRanges` goes before.'),
  masquerade: z.boolean().default(true).describe("Whether what leaves `ranges` takes the machine's address; off where the networks around know the way back."),
  sysctlFolder: z.string().default('/proc/sys').describe("Where forwarding is switched on. In a container /proc/sys is read-only: there it is a mount of the machine's."),
  binDir: z.string().default('/opt/cni/bin').describe('Where the runtime looks for plugins.'),
  confDir: z.string().default('/etc/cni/net.d').describe('Where the runtime looks for networks.'),
  network: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/).default('weft').describe('Name of the network.'),
  cni: cniConfigSchema.prefault({}).describe('The CNI server itself.'),
})
