import { createHash } from 'node:crypto'
import { type CustomResource, group, type IpBlock, ipBlockName, ipBlockResource, type IpPool, ipPoolResource, type NodeName } from '@weft/api'
import { type Cidr, cidrContains, cidrFrom, type Family, formatCidr, ipFromBits } from '@weft/ip'
import { isAlreadyExists, isConflict, isNotFound, type KubeClient } from '@weft/kube'
import type { OnRefused } from './refusals.ts'

/** Label with the owner's name on every block, so that a node lists only its own. */
const nodeLabel = `${group}/node`

interface RawBlock {
  readonly metadata: { readonly name: string, readonly labels?: Readonly<Record<string, string>> }
  readonly spec: Readonly<Record<string, unknown>>
}

interface RawList {
  readonly items: readonly RawBlock[]
}

/** Trims a list; objects that cannot be used are left out and told to `refuse`. */
function trimAll<T>(list: RawList, resource: CustomResource<T>, refuse: OnRefused): readonly T[] {
  return list.items.flatMap((item) => {
    try {
      return [resource.trim(item)]
    } catch (error) {
      refuse(withKind(item, resource), error)
      return []
    }
  })
}

/** Items of a list lack both. */
function withKind<T>(item: object, { apiVersion, kind }: CustomResource<T>): unknown {
  return { ...item, apiVersion, kind }
}

export interface BlockRequestOptions {
  readonly signal: AbortSignal
  /** Told of every pool or block that cannot be used (promise P10). */
  readonly refuse: OnRefused
}

/** Blocks this node owns. */
export async function listOwnBlocks(kube: KubeClient, nodeName: NodeName, { signal, refuse }: BlockRequestOptions): Promise<readonly IpBlock[]> {
  const list = await kube.request<RawList>('GET', ipBlockResource.path, { query: { labelSelector: `${nodeLabel}=${nodeName}` }, signal })
  return trimAll(list, ipBlockResource, refuse).filter((block) => block.node === nodeName)
}

/**
 * Pools that blocks may be taken from, by name. Of two pools that overlap the later name is refused: their blocks would too.
 *
 * @returns No pool at all when the CRD is not installed.
 */
export async function listPools(kube: KubeClient, { signal, refuse }: BlockRequestOptions): Promise<readonly IpPool[]> {
  try {
    return withoutOverlap(trimAll(await kube.request<RawList>('GET', ipPoolResource.path, { signal }), ipPoolResource, refuse), refuse)
  } catch (error) {
    if (isNotFound(error)) return []
    throw error
  }
}

/** @param refuse Told of each pool left out. */
export function withoutOverlap(pools: Iterable<IpPool>, refuse: OnRefused): readonly IpPool[] {
  const kept: IpPool[] = []
  for (const pool of [...pools].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const other = kept.find(({ cidr }) => overlaps(cidr, pool.cidr))
    if (other === undefined) kept.push(pool)
    else refuse(withKind({ metadata: { name: pool.name, uid: pool.uid, resourceVersion: pool.resourceVersion } }, ipPoolResource), new RangeError(`Cannot use IPPool "${pool.name}": its range ${formatCidr(pool.cidr)} overlaps ${formatCidr(other.cidr)} of pool "${other.name}"`))
  }
  return kept
}

function overlaps(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && (cidrContains(a, b) || cidrContains(b, a))
}

/** Blocks of a pool in the order one node tries them: from a place its name decides, so that nodes seldom meet. */
export function* candidates(pool: IpPool, nodeName: NodeName): Generator<Cidr> {
  const count = 1 << (pool.blockPrefix - pool.cidr.prefix)
  const start = createHash('sha256').update(nodeName).digest().readUInt32BE(0) % count
  const step = BigInt((pool.cidr.family === 4 ? 32 : 128) - pool.blockPrefix)
  for (let index = 0; index < count; index += 1) {
    yield cidrFrom(ipFromBits(pool.cidr.family, pool.cidr.bits + (BigInt((start + index) % count) << step)), pool.blockPrefix)
  }
}

/**
 * Takes one more block for a node. Two nodes that want the same one meet in one create or one replace with a
 * resourceVersion, and the API server lets one of them through.
 *
 * @returns Undefined if no pool of that family has a free block.
 */
export async function claimBlock(kube: KubeClient, nodeName: NodeName, family: Family, options: BlockRequestOptions): Promise<IpBlock | undefined> {
  const pools = (await listPools(kube, options)).filter((pool) => pool.cidr.family === family && !pool.disabled && !pool.deleting)
  if (pools.length === 0) return undefined
  const { signal } = options
  const existing = await kube.request<RawList>('GET', ipBlockResource.path, { signal })
  const blocks = trimAll(existing, ipBlockResource, options.refuse)
  const taken = new Set(existing.items.map((item) => item.metadata.name))
  for (const pool of pools) {
    for (const block of blocks) {
      if (block.pool !== pool.name || block.node !== undefined || block.deleting || !cidrContains(pool.cidr, block.cidr)) continue
      const raw = existing.items.find((item) => item.metadata.name === block.name)!
      const claimed = await attempt(() => kube.request('PUT', `${ipBlockResource.path}/${block.name}`, { body: owned(raw, nodeName), signal }))
      if (claimed !== undefined) return claimed
    }
    for (const cidr of candidates(pool, nodeName)) {
      const text = formatCidr(cidr)
      const name = ipBlockName(text)
      if (taken.has(name)) continue
      const raw: RawBlock = { metadata: { name }, spec: { cidr: text, pool: pool.name, node: '' } }
      const claimed = await attempt(() => kube.request('POST', ipBlockResource.path, { body: owned(raw, nodeName), signal }))
      if (claimed !== undefined) return claimed
      signal.throwIfAborted()
    }
  }
  return undefined
}

function owned(raw: RawBlock, nodeName: NodeName): unknown {
  return {
    ...raw,
    apiVersion: ipBlockResource.apiVersion,
    kind: ipBlockResource.kind,
    metadata: { ...raw.metadata, labels: { ...raw.metadata.labels, [nodeLabel]: nodeName } },
    spec: { ...raw.spec, node: nodeName },
  }
}

/** @returns Undefined if another node was faster. */
async function attempt(request: () => Promise<unknown>): Promise<IpBlock | undefined> {
  try {
    return ipBlockResource.trim(await request())
  } catch (error) {
    if (isAlreadyExists(error) || isConflict(error) || isNotFound(error)) return undefined
    throw error
  }
}
