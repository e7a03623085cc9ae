import type { Bench } from '@weft/daemon/bench'
import { RouteSocket, warmThreadPool } from '@weft/netlink'

// Runs one bench file in namespaces of its own and prints its cases as JSON on the last line: see commands/bench.ts.
await warmThreadPool()
const [file] = process.argv.slice(2)
{
  // A new network namespace has its loopback down.
  using route = RouteSocket.openHere()
  route.setLink(route.link('lo').index, { up: true })
}
const { cases } = await import(file!) as { readonly cases: Bench }
process.stdout.write(`\n${JSON.stringify(await cases())}\n`, () => process.exit(0))
