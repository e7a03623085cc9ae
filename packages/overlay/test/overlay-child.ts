// Reconciles the overlay of n1 in a namespace over and over, between two clusters, until it is killed.
import { RouteSocket, warmThreadPool } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { compileOverlay } from '../src/compile.ts'
import { reconcileOverlay } from '../src/reconcile.ts'
import { findUplink } from '../src/uplink.ts'
import { modelOf, watchNodes } from '../src/watch.ts'
import { configOf, nodeOf } from './cluster-file.ts'
import { manyNodes } from './many-nodes.ts'
import { parseNodeName } from '@weft/api'

await warmThreadPool()
const netns = process.argv[2]!
using route = await RouteSocket.open({ netns })
using nft = await NftSocket.open({ netns })
const states = [20, 45].map((count) => {
  const model = modelOf(watchNodes(parseNodeName('n1'), manyNodes(count).map(nodeOf), [])!, findUplink(route, nodeOf(manyNodes(1)[0]!).internalIps, undefined))
  return { model, state: compileOverlay(model, configOf()) }
})
process.stdout.write('ready\n')
for (let turn = 0; ; turn += 1) {
  const { model, state } = states[turn % 2]!
  reconcileOverlay({ route, nft }, state, model.uplink)
}
