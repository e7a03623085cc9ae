/** An agent as a process of its own, in the namespace it is started in: to be killed. Arguments: folder, ranges; WEFT_STORE is a folder for its store. */
import { join } from 'node:path'
import { Allocator } from '@weft/allocator'
import { createRegistry, realClock } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { parseCidr } from '@weft/ip'
import { RouteSocket } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { cniConfigSchema, createCni } from '../src/index.ts'
import { nodeAddresses, podRanges } from './node-fixture.ts'

const [folder = '', ...ranges] = process.argv.slice(2)
const registry = createRegistry()
const address = await Allocator.open({ storePath: join(process.env['WEFT_STORE'] ?? folder, 'attachments.db'), logger: silentLogger, registry })
address.setRanges((ranges.length > 0 ? ranges : podRanges).map(parseCidr))
const cni = createCni({
  config: cniConfigSchema.parse({ socketPath: join(folder, 'cni.sock'), spoolPath: join(folder, 'spool') }),
  ports: { address, cover: { ready: true, cover: async () => undefined, uncover: async () => undefined }, mtu: { podMtu: () => 1450 }, node: { addresses: () => nodeAddresses } },
  route: RouteSocket.openHere(), nft: await NftSocket.open(), clock: realClock, logger: silentLogger, registry,
})
const running = cni.run(new AbortController().signal)
while (!cni.ready().ready) await Promise.race([running, realClock.sleep(2)])
process.stdout.write('ready\n')
await running
