import { durationSchema } from '@weft/daemon'
import { z } from 'zod'
import { safeSysctls } from './pod-sysctls.ts'

/** Configuration of the CNI server in the agent; {@link cniConfigSchema} has defaults and meaning. */
export interface CniConfig {
  readonly socketPath: string
  readonly spoolPath: string
  /** Milliseconds. */
  readonly addTimeout: number
  /** Milliseconds. */
  readonly spoolInterval: number
  /** Milliseconds. */
  readonly resync: number
  /** Milliseconds. */
  readonly collectGrace: number
  readonly runtimeCachePath: string
  readonly sysctls: readonly string[]
  /** Bytes. */
  readonly mtu?: number | undefined
  readonly mode: 'point-to-point' | 'bridge'
}

export const cniConfigSchema: z.ZodType<CniConfig> = z.strictObject({
  socketPath: z.string().default('/run/weft/cni.sock')
    .describe('Unix socket the plugin connects to; mode 0600. Change it together with the installed plugin.'),
  spoolPath: z.string().default('/var/lib/cni/weft/cni-spool')
    .describe('Folder where the plugin leaves DELs while the agent is away; it must survive restarts.'),
  addTimeout: durationSchema.prefault('20s')
    .describe('Longest an ADD or CHECK may take; the runtime tries again. The plugin itself gives up after 30s.'),
  spoolInterval: durationSchema.prefault('5s')
    .describe('How often the spool is looked at for a DEL that raced with the start of the agent.'),
  resync: durationSchema.prefault('10s')
    .describe('How often links, routes and the table are compared with what they should be.'),
  collectGrace: durationSchema.prefault('1m')
    .describe('How long link, namespace and pod of an attachment must be gone before its addresses are taken back without a DEL.'),
  runtimeCachePath: z.string().default('/var/lib/cni/results')
    .describe('Where the runtime keeps results of ADD; read only when the store of attachments is lost.'),
  sysctls: z.array(z.string().regex(/^net\.[A-Za-z0-9_.*-]+$/)).default([...safeSysctls])
    .describe('Sysctls that a network configuration may set in pods, under `sysctl`; a `*` at the end stands for any rest, `IFNAME` for the interface. Add what your pods need and harms nobody else.'),
  mode: z.enum(['point-to-point', 'bridge']).default('point-to-point')
    .describe('How new pods are connected: by a link of their own, or as ports of bridge `weft-bridge`, which needs br_netfilter. Set it only for plugins or tools that look for a bridge.'),
  mtu: z.int().min(576).max(65535).optional()
    .describe('MTU of pod links instead of the one derived from the path; set it only where path discovery is wrong.'),
})
