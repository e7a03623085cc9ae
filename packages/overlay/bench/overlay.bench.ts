// What it costs to bring a node's paths into the kernel, and to find that nothing has changed: netlink against the same commands through `ip` and
// `bridge`. Run it as `unshare -Urnm --propagation private`. The peer does less: without root, `nft -f` cannot load the table of 1000 nodes.
import { type BenchCase, median } from '@weft/daemon/bench'
import { hasPrograms } from '@weft/netlink/testing'
import { manyNodes } from '../test/many-nodes.ts'
import { SingleNode } from '../test/single-node.ts'
import { compileOverlay, type OverlayState } from '../src/compile.ts'
import { formatOverlay } from '../src/format.ts'
import { reconcileOverlay } from '../src/reconcile.ts'
import { configOf, nodeOf } from '../test/cluster-file.ts'
import { findUplink } from '../src/uplink.ts'
import { modelOf, watchNodes } from '../src/watch.ts'
import { parseNodeName } from '@weft/api'

const rounds = 3
const addresses = ['172.16.0.1/16', 'fd00:172:1::1/64']
const hasPeer = hasPrograms('ip', 'bridge', 'nsenter')
const peerName = hasPeer ? 'ip -batch, bridge -batch (no ruleset)' : 'ip or bridge is not installed'

function milliseconds(run: () => void): number {
  const start = performance.now()
  run()
  return performance.now() - start
}

/** The same state by the commands an operator would type. */
function loadWithPrograms(node: SingleNode, state: OverlayState): void {
  const lines = formatOverlay(state, 'eth0').split('\n')
  const starting = (word: string): string[] => lines.filter((line) => line.startsWith(`${word} `))
  const batch = (list: readonly string[]): string => `${list.join('\n')}\n`
  node.namespace.exec('ip', ['-batch', '-'], batch([...starting('link'), 'link set vxlan.weft up']))
  node.namespace.exec('bridge', ['-batch', '-'], batch(starting('fdb')))
  node.namespace.exec('ip', ['-batch', '-'], batch([...starting('neighbour'), ...starting('route').map((line) => line.replace('route ', 'route replace ')), ...starting('rule').filter((line) => !line.includes('::'))]))
  node.namespace.exec('ip', ['-6', '-batch', '-'], batch(starting('rule').filter((line) => line.includes('::'))))
}

function lookWithPrograms(node: SingleNode): void {
  for (const args of [['-4', 'route', 'show', 'table', 'all'], ['-6', 'route', 'show', 'table', 'all'], ['rule'], ['-6', 'rule'], ['neighbour', 'show', 'dev', 'vxlan.weft'], ['link']]) node.namespace.exec('ip', args)
  node.namespace.exec('bridge', ['fdb', 'show', 'dev', 'vxlan.weft'])
}

async function measure(count: number): Promise<BenchCase[]> {
  const lines = manyNodes(count)
  const first = { ours: [] as number[], peer: [] as number[] }
  const unchanged = { ours: [] as number[], peer: [] as number[] }
  const more: number[] = []
  // The first round warms up.
  for (let round = 0; round <= rounds; round += 1) {
    await using node = await SingleNode.create(addresses)
    await using other = await SingleNode.create(addresses)
    const objects = lines.map(nodeOf)
    /** All that one run of the loop does: read objects, decide, compare, write. */
    const run = (nodes: typeof objects): void => {
      const watched = watchNodes(parseNodeName('n1'), nodes, [])!
      const model = modelOf(watched, findUplink(node.namespace.route, watched.self.ips, undefined))
      reconcileOverlay(node.kernel, compileOverlay(model, configOf()), model.uplink)
    }
    const { state } = node.compile({ node: 'n1', nodes: lines })
    const figures = [milliseconds(() => run(objects)), hasPeer ? milliseconds(() => loadWithPrograms(other, state)) : 0, milliseconds(() => run(objects)), hasPeer ? milliseconds(() => lookWithPrograms(other)) : 0]
    const joined = [...objects, nodeOf({ name: 'zz', ips: ['172.31.0.1', 'fd00:172:2::ffff'], podCIDRs: ['10.200.0.0/24', 'fd00:10:ffff::/64'] })]
    const joining = milliseconds(() => run(joined))
    if (round === 0) continue
    first.ours.push(figures[0]!)
    first.peer.push(figures[1]!)
    unchanged.ours.push(figures[2]!)
    unchanged.peer.push(figures[3]!)
    more.push(joining)
  }
  const result = (name: string, figures: { readonly ours: readonly number[], readonly peer: readonly number[] }, goal: number): BenchCase => {
    const ours = median(figures.ours)
    const peer = hasPeer && figures.peer.length > 0 ? median(figures.peer) : undefined
    const ratio = peer === undefined ? undefined : ours / peer
    return { name, size: `${count} nodes`, unit: 'ms', ours, peer, peer_name: figures.peer.length > 0 ? peerName : 'none: a figure of its own', ratio, goal: figures.peer.length === 0 ? 'none' : `ratio <= ${goal}`, ok: figures.peer.length === 0 || (ratio === undefined ? undefined : ratio <= goal) }
  }
  return [result('paths of a node, first', first, 1), result('paths of a node, unchanged', unchanged, 1), result('paths of a node, one node joins', { ours: more, peer: [] }, 1)]
}

/** Reconciling the overlay of one node in clusters of growing size, half of it behind a router. */
export async function cases(): Promise<readonly BenchCase[]> {
  const all: BenchCase[] = []
  for (const count of [10, 100, 1000]) all.push(...await measure(count))
  return all
}

if (import.meta.main) console.table(await cases())
