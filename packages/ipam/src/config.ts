import { durationSchema } from '@weft/daemon'
import { z } from 'zod'

/** Configuration of address management on a node; {@link ipamConfigSchema} has defaults and meaning. */
export interface IpamConfig {
  readonly mode: 'auto' | 'node-cidr' | 'blocks'
  readonly storePath: string
  readonly lowWater: number
  /** Milliseconds. */
  readonly cooldown: number
  /** Milliseconds. */
  readonly resync: number
  /** Milliseconds. */
  readonly autoGrace: number
}

export const ipamConfigSchema: z.ZodType<IpamConfig> = z.strictObject({
  mode: z.enum(['auto', 'node-cidr', 'blocks']).default('auto')
    .describe('Where addresses come from: `node-cidr` is spec.podCIDRs of the node, `blocks` is parts of IPPools, `auto` is podCIDRs where the cluster assigns them. Change it when a cluster assigns podCIDRs that are not for pods.'),
  storePath: z.string().default('/var/lib/cni/weft/attachments.db')
    .describe('SQLite database of attachments; it must survive restarts and, unless the runtime forgets its containers, reboots.'),
  lowWater: z.int().min(0).default(16)
    .describe('Mode `blocks`: below that many free addresses of a family another block is taken. Raise it where many pods start at once.'),
  cooldown: durationSchema.prefault('5s')
    .describe('How long a freed address is given to nobody else. Shorten it where a node has fewer addresses than pods that start within that time.'),
  resync: durationSchema.prefault('5m')
    .describe('Mode `blocks`: how often the own blocks are compared with the API.'),
  autoGrace: durationSchema.prefault('10s')
    .describe('Mode `auto`: how long a new node may be without podCIDRs before pools are used.'),
})

/** Configuration of the cluster-wide part; {@link poolControllerConfigSchema} has defaults and meaning. */
export interface PoolControllerConfig {
  readonly pools: readonly { readonly name: string, readonly cidr: string, readonly blockPrefix?: number | undefined }[]
  /** Milliseconds. */
  readonly nodeGrace: number
  /** Milliseconds. */
  readonly interval: number
}

export const poolControllerConfigSchema: z.ZodType<PoolControllerConfig> = z.strictObject({
  pools: z.array(z.strictObject({
    name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/).describe('Name of the IPPool object.'),
    cidr: z.string().describe('Range, e.g. 10.244.0.0/16.'),
    blockPrefix: z.int().min(1).max(128).optional().describe('Prefix length of its blocks; default /26 and /122.'),
  })).default([])
    .describe('Pools created when they are missing; an existing pool of that name is never changed.'),
  nodeGrace: durationSchema.prefault('10m')
    .describe('How long a node must be gone before its blocks are collected. Raise it where nodes are re-created under the same name slowly.'),
  interval: durationSchema.prefault('1m')
    .describe('How often blocks are compared with nodes; a block is collected after two sightings.'),
})
