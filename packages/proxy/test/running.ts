import { createRegistry, realClock, type Registry } from '@weft/daemon'
import { collectingLogger, type LogLine } from '@weft/daemon/testing'
import type { NftInTurns } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { proxyConfigSchema } from '../src/config.ts'
import type { FlowTable } from '../src/flow-table.ts'
import { createProxy, type Proxy, type ProxyDeps } from '../src/proxy.ts'
import { type ClusterStores, nodeName, storesOf } from './cluster.ts'

export interface Running extends AsyncDisposable {
  readonly stores: ClusterStores
  readonly proxy: Proxy
  readonly lines: readonly LogLine[]
  /** `key code` of everything refused, in order. */
  readonly refused: readonly string[]
  readonly registry: Registry
}

export const noFlows: FlowTable = { deleteMatching: () => 0 }

/** A proxy of node `here` that has the objects in the kernel, or in a fake of it. */
export async function running(objects: readonly object[] | ClusterStores, options: { readonly nft?: NftInTurns, readonly flows?: FlowTable, readonly config?: object, readonly deps?: Partial<ProxyDeps> } = {}): Promise<Running> {
  const stores = Array.isArray(objects) ? storesOf(objects) : objects as ClusterStores
  const logger = collectingLogger()
  const refused: string[] = []
  const registry = createRegistry()
  const proxy = createProxy({
    ...stores, nodeName, nft: options.nft ?? new FakeNft(), flows: options.flows ?? noFlows, clock: realClock, logger, registry,
    config: proxyConfigSchema.parse(options.config ?? {}), onRefused: (key, { code }) => void refused.push(`${key} ${code}`), ...options.deps,
  })
  const stopping = new AbortController()
  const done = proxy.run(stopping.signal)
  await proxy.settled()
  return {
    stores, proxy, lines: logger.lines, refused, registry,
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await done
    },
  }
}
