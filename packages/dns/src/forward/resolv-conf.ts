// Read first: resolv.conf(5).
import type { ListenAddress } from '@weft/api'
import { parseIp } from '@weft/ip'

/**
 * The `nameserver` lines of a resolv.conf, at most 15 of them; lines that are not addresses are left out.
 *
 * @param own Where this server listens: asking itself would go round in circles.
 */
export function parseResolvConf(text: string, own: readonly ListenAddress[]): readonly ListenAddress[] {
  const servers: ListenAddress[] = []
  for (const line of text.split('\n')) {
    const address = /^\s*nameserver\s+(\S+)/.exec(line)?.[1]
    if (address === undefined || !isAddress(address)) continue
    const server = { address, port: 53 }
    if (!own.some((listen) => reaches(listen, server)) && !servers.some((known) => known.address === address)) servers.push(server)
  }
  return servers.slice(0, 15)
}

function reaches(listen: ListenAddress, server: ListenAddress): boolean {
  if (listen.port !== server.port) return false
  if (listen.address === server.address) return true
  // A wildcard takes every loopback address too.
  return (listen.address === '0.0.0.0' && server.address.startsWith('127.')) || (listen.address === '::' && server.address === '::1')
}

function isAddress(text: string): boolean {
  try {
    // A zone (fe80::1%eth0) is allowed here.
    parseIp(text.split('%', 1)[0]!)
    return true
  } catch {
    return false
  }
}
