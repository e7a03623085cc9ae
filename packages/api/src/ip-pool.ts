import { type Cidr, firstIp, formatIp, parseCidr } from '@weft/ip'
import { z } from 'zod'
import { customResource, type CustomResource } from './custom-resource.ts'
import { InvalidObjectError } from './invalid-object.ts'
import type { NodeName } from './node-name.ts'
import { type ObjectMeta, openObject } from './object-meta.ts'

const spec = z.strictObject({
  cidr: z.string().describe('Addresses of the pool, e.g. 10.244.0.0/16. Cannot change once blocks exist.'),
  blockPrefix: z.int().min(1).max(128).optional()
    .describe('Prefix length of the blocks nodes take from the pool; default /26 for IPv4 and /122 for IPv6 (64 addresses), larger blocks where that would make more than a million.'),
  disabled: z.boolean().optional().describe('No new blocks are taken from the pool; addresses in use stay.'),
})

/** A range of pod addresses that is handed to nodes in blocks. */
export interface IpPool extends ObjectMeta {
  readonly cidr: Cidr
  readonly blockPrefix: number
  readonly disabled: boolean
}

/** @throws {InvalidObjectError} Naming the pool and the field. */
export function toIpPool(object: unknown): IpPool {
  const { root, meta } = openObject('IPPool', object)
  const field = root.get('spec')
  const cidr = field.get('cidr').exactCidr()
  const blockPrefix = field.get('blockPrefix').present ? field.get('blockPrefix').integer(cidr.prefix, cidr.family === 4 ? 32 : 128) : defaultBlockPrefix(cidr)
  if (blockPrefix - cidr.prefix > mostBlockBits) throw field.get('blockPrefix').fail(`is ${blockPrefix}, which makes more than a million blocks of a /${cidr.prefix}`)
  return { ...meta, cidr, blockPrefix, disabled: field.get('disabled').booleanOr(false) }
}

/** A pool has at most 2^20 blocks. */
const mostBlockBits = 20

function defaultBlockPrefix({ family, prefix }: Cidr): number {
  return Math.max(prefix, Math.min(family === 4 ? 26 : 122, prefix + mostBlockBits))
}

/** The CRD and what a reflector needs. */
export const ipPoolResource: CustomResource<IpPool> = customResource({
  kind: 'IPPool', plural: 'ippools', scope: 'Cluster', spec, trim: toIpPool,
  columns: [{ name: 'CIDR', type: 'string', jsonPath: '.spec.cidr' }, { name: 'Disabled', type: 'boolean', jsonPath: '.spec.disabled' }],
})

const blockSpec = z.strictObject({
  cidr: z.string().describe('Addresses of the block.'),
  pool: z.string().describe('Name of the IPPool it was taken from.'),
  node: z.string().describe('The one node that allocates from it; empty when nobody does.'),
})

/**
 * A part of a pool with one owner. Its name is derived from its range ({@link ipBlockName}), so two nodes that want the
 * same block meet in one create call, and one of them gets 409.
 */
export interface IpBlock extends ObjectMeta {
  readonly cidr: Cidr
  readonly pool: string
  /** Undefined: nobody's. */
  readonly node: NodeName | undefined
}

/** @throws {InvalidObjectError} Naming the block and the field, also when name and range disagree. */
export function toIpBlock(object: unknown): IpBlock {
  const { root, meta } = openObject('IPBlock', object)
  const field = root.get('spec')
  const text = field.get('cidr').string()
  const cidr = field.get('cidr').exactCidr()
  if (meta.name !== ipBlockName(text)) throw new InvalidObjectError(`IPBlock ${meta.name}`, 'metadata.name', `is ${meta.name}, wanted ${ipBlockName(text)} for ${text}`)
  return { ...meta, cidr, pool: field.get('pool').string(), node: field.get('node').optionalNodeName() }
}

export const ipBlockResource: CustomResource<IpBlock> = customResource({
  kind: 'IPBlock', plural: 'ipblocks', scope: 'Cluster', spec: blockSpec, trim: toIpBlock,
  columns: [
    { name: 'CIDR', type: 'string', jsonPath: '.spec.cidr' },
    { name: 'Pool', type: 'string', jsonPath: '.spec.pool' },
    { name: 'Node', type: 'string', jsonPath: '.spec.node' },
  ],
})

/**
 * The only name a block of that range may have, e.g. `10-244-0-0-26`.
 *
 * @param cidr Text of the range; however it is written, equal ranges have equal names.
 * @throws {SyntaxError} If it is no network with zero host bits.
 */
export function ipBlockName(cidr: string): string {
  const range = parseCidr(cidr)
  const { family, prefix } = range
  const address = formatIp(firstIp(range))
  // Object names are DNS labels: no colons, and no dash at either end as in `fd00::`.
  const label = family === 4 ? address.replaceAll('.', '-') : `v6-${address.replaceAll('::', '-x-').replaceAll(':', '-').replaceAll('.', '-z-').replaceAll('--', '-')}`
  return `${label.replace(/-$/, '')}-${prefix}`
}
