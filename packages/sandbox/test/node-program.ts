// Runs in a node of the sandbox, with netlink in place of `ip` and `ping`.
import { type IpAddress, parseIp } from '@weft/ip'
import { RouteSocket } from '@weft/netlink'
import { echoes } from '@weft/netlink/testing'

const [verb, ...words] = process.argv.slice(2)

/** Deletes links by the start of their names. */
function deleteLinks(prefix: string): void {
  using here = RouteSocket.openHere()
  for (const { name, index } of here.links()) if (name.startsWith(prefix)) here.deleteLink(index)
}

function addAddress(address: IpAddress): void {
  using here = RouteSocket.openHere()
  here.addAddress({ ifIndex: here.link('lo').index, address, prefix: address.family === 4 ? 32 : 128, noDad: true })
}

if (verb === 'delete-links') deleteLinks(words[0]!)
else if (verb === 'add-address') addAddress(parseIp(words[0]!))
else if (verb === 'echo') process.exitCode = await echoes('/proc/self/ns/net', words[0]!, { from: words[1], timeoutMs: 1000 }) ? 0 : 1
else throw new Error(`no such verb: ${verb}`)
