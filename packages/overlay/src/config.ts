import { durationSchema } from '@weft/daemon'
import { type Cidr, parseCidr } from '@weft/ip'
import { z } from 'zod'

/** Settings of the overlay; every one has a default that suits kind, kubeadm and clouds (see the schema for each). */
export interface OverlayConfig {
  readonly mode: 'auto' | 'direct' | 'vxlan'
  readonly vni: number
  readonly port: number
  readonly mtuBytes?: number | undefined
  readonly masquerade: boolean
  readonly masqueradeExcept: readonly Cidr[]
  /** Milliseconds. */
  readonly resync: number
}

const cidrSchema: z.ZodType<Cidr, string> = z.string().transform((text, context) => {
  try {
    return parseCidr(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
})

export const overlayConfigSchema: z.ZodType<OverlayConfig> = z.strictObject({
  mode: z.enum(['auto', 'direct', 'vxlan']).default('auto')
    .describe('auto: direct routes to nodes on the same link, VXLAN across routers. direct: never encapsulate, the routers know the pod ranges. vxlan: always encapsulate.'),
  vni: z.int().min(1).max(0xffffff).default(87).describe('VXLAN network identifier. Change it when another VXLAN on the same port uses it; the same on all nodes.'),
  port: z.int().min(1).max(65535).default(4789).describe('UDP port of VXLAN (IANA 4789). Change it when a firewall wants another one; the same on all nodes.'),
  mtuBytes: z.int().min(1280).max(65535).optional().describe("MTU of pod links. By default the uplink's, less the overhead of VXLAN unless mode is direct."),
  masquerade: z.boolean().default(true).describe('Traffic of pods to addresses outside the cluster leaves with the address of the node. Off when the outside routes to pods.'),
  masqueradeExcept: z.array(cidrSchema).default([]).describe('Networks outside the cluster that see pod addresses, e.g. ["10.0.0.0/8"].'),
  resync: durationSchema.prefault('1m').describe('How often links, forwarding entries, routes and the table are compared with what they should be although the kernel told of no change. Edits of forwarding entries, neighbours and sysctls are found by nothing else.'),
})
