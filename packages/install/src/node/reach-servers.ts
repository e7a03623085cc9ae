import { once } from 'node:events'
import { connect } from 'node:net'
import { failure, fine, type Finding, warning } from './finding.ts'

/** How long a connection may take, in milliseconds. */
const timeoutMs = 3000

/**
 * Whether this machine reaches the API servers that the network will be told of: until Services work it has no other way to them.
 *
 * @param servers URLs, e.g. `https://192.0.2.10:6443`.
 */
export async function reachServers(servers: readonly string[]): Promise<Finding> {
  const outcomes = await Promise.all(servers.map(async (server) => ({ server, why: await whyNot(server) })))
  const away = outcomes.filter(({ why }) => why !== undefined)
  if (away.length === 0) return fine('api-servers', `${servers.join(', ')} can be reached`)
  const detail = away.map(({ server, why }) => `no answer from ${server} (${why})`).join(', ')
  if (away.length < servers.length) return warning('api-servers', detail, 'the others will be asked')
  return failure('api-servers', detail, 'name one that this node reaches in a file for --values: apiServers: [https://ADDRESS:PORT]; or see what is between them')
}

async function whyNot(server: string): Promise<string | undefined> {
  const { hostname, port } = new URL(server)
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 443) })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) })
    return undefined
  } catch (error) {
    const { name, code, message } = error as NodeJS.ErrnoException
    return name === 'AbortError' ? `no connection in ${timeoutMs / 1000} s` : code ?? message
  } finally {
    socket.destroy()
  }
}
