import { addressBits, firstIp, formatCidr, formatIp, ipFromBits, parseCidr, type Cidr } from '@weft/ip'
import { addAll, type Controller, type ControllerContext } from './controller.ts'
import { KeyLoop } from './key-loop.ts'
import { as, type Node } from './model.ts'

/** From where nodes get their pod ranges. */
export interface NodeRangesOptions {
  /** Ranges of all pods, the primary family first. */
  readonly podRanges: readonly string[]
  /** Prefix of a node's IPv4 range. @default 24 */
  readonly nodePrefix4?: number | undefined
  /** Prefix of a node's IPv6 range. @default 64 */
  readonly nodePrefix6?: number | undefined
}

/** Gives every node a pod range per family; the n-th range of one family goes with the n-th of the other. */
export function nodeRangesController(context: ControllerContext, options: NodeRangesOptions): Controller {
  const loop = new KeyLoop({ name: 'noderanges', reconcile: key => reconcile(context, key, options), clock: context.clock, logger: context.logger })
  addAll(context, 'nodes', loop)
  return { name: 'noderanges', loop }
}

async function reconcile({ storage, client }: ControllerContext, key: string, options: NodeRangesOptions): Promise<void> {
  const object = storage.get('nodes', key)
  if (object === undefined || (as<Node>(object).spec.podCIDRs ?? []).length > 0) return
  const used = new Set(storage.list('nodes').flatMap(node => as<Node>(node).spec.podCIDRs ?? []))
  const ranges = options.podRanges.map(text => parseCidr(text))
  for (let index = 0; ; index++) {
    const podCIDRs = ranges.map(range => nthRange(range, index, range.family === 4 ? (options.nodePrefix4 ?? 24) : (options.nodePrefix6 ?? 64)))
    if (podCIDRs.includes(undefined)) throw new RangeError(`Cannot allocate pod ranges for node "${key}": all of ${options.podRanges.join(' and ')} are in use`)
    if (podCIDRs.some(range => used.has(range!))) continue
    await client.request('PATCH', `/api/v1/nodes/${key}`, { contentType: 'application/merge-patch+json', body: { spec: { podCIDR: podCIDRs[0], podCIDRs } } })
    return
  }
}

/** The n-th network of that prefix in a range, or undefined past its end. */
export function nthRange(range: Cidr, index: number, prefix: number): string | undefined {
  if (index >= 2 ** Math.min(30, prefix - range.prefix)) return undefined
  const bits = firstIp(range).bits + (BigInt(index) << BigInt(addressBits(range.family) - prefix))
  return formatCidr(parseCidr(`${formatIp(ipFromBits(range.family, bits))}/${prefix}`))
}
