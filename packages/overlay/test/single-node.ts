import { parseNodeName } from '@weft/api'
import { parseInterfaceAddress } from '@weft/ip'
import { ensureDone, requests } from '@weft/netlink'
import { TestNamespace } from '@weft/netlink/testing'
import { NftSocket } from '@weft/nftables'
import { compileOverlay, type OverlayState } from '../src/compile.ts'
import type { Uplink } from '../src/model.ts'
import type { OverlayKernel } from '../src/reconcile.ts'
import { findUplink } from '../src/uplink.ts'
import { modelOf, watchNodes } from '../src/watch.ts'
import { blockOf, type ClusterFile, configOf, nodeOf } from './cluster-file.ts'

/** One node in a namespace, with an uplink that leads nowhere. */
export class SingleNode implements AsyncDisposable {
  readonly namespace: TestNamespace
  readonly nft: NftSocket
  readonly #far: TestNamespace

  private constructor(namespace: TestNamespace, far: TestNamespace, nft: NftSocket) {
    this.namespace = namespace
    this.#far = far
    this.nft = nft
  }

  static async create(addresses: readonly string[]): Promise<SingleNode> {
    const namespace = await TestNamespace.create()
    const far = await TestNamespace.create()
    const [index] = TestNamespace.connect(namespace, { name: 'eth0' }, far, { name: 'eth0' })
    ensureDone(namespace.route.transact(addresses.map((text) => requests.addAddress({ ifIndex: index, ...parseInterfaceAddress(text), noDad: true }))))
    return new SingleNode(namespace, far, await NftSocket.open({ netns: namespace.path }))
  }

  get kernel(): OverlayKernel {
    return { route: this.namespace.route, nft: this.nft }
  }

  compile(file: Pick<ClusterFile, 'node' | 'nodes' | 'blocks' | 'config'>): { readonly state: OverlayState, readonly uplink: Uplink } {
    const watched = watchNodes(parseNodeName(file.node), file.nodes.map(nodeOf), (file.blocks ?? []).map(blockOf))!
    const uplink = findUplink(this.namespace.route, watched.self.ips, watched.peers[0]?.ips[0])
    return { state: compileOverlay(modelOf(watched, uplink), configOf(file.config)), uplink }
  }

  /** Everything of ours in the kernel, in a fixed order. */
  dump(): string {
    const { route } = this.namespace
    const tunnel = route.findLink('vxlan.weft')
    const text = (value: object): string => JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each))
    const table = this.nft.read('inet', 'weft-overlay')
    return [
      text([tunnel?.mac, tunnel?.mtu, tunnel?.up, tunnel?.vxlan]),
      ...(tunnel === undefined ? [] : [route.fdb(tunnel.index), route.neighbours({ ifIndex: tunnel.index }).filter(({ state }) => state === 'permanent')].flatMap((list) => list.map((entry) => text({ ...entry, ifIndex: 0 })).sort())),
      ...route.routes({ protocol: 88 }).map(({ ifIndex, ...rest }) => text([rest, ifIndex === tunnel?.index])).sort(),
      ...route.rules().filter(({ priority }) => priority === 8700).map(text).sort(),
      ...(table?.table.sets ?? []).map(({ name, elements }) => `${name} ${elements.map(text).sort().join()}`).sort(),
      ...[...table?.rules ?? []].map(([chain, rules]) => `${chain} ${rules.map(({ fingerprint }) => fingerprint).join()}`).sort(),
    ].join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.nft[Symbol.dispose]()
    await this.namespace[Symbol.asyncDispose]()
    await this.#far[Symbol.asyncDispose]()
  }
}
