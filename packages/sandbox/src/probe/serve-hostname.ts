import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { portFlag, readFlags } from './arguments.ts'
import { createHttpServer } from './http-server.ts'
import { serveUdp } from './udp.ts'

/** agnhost's `serve-hostname`: answers the host name over HTTP (default), TCP or UDP. */
export async function serveHostname(args: readonly string[]): Promise<void> {
  const { values } = readFlags(args.map((arg) => (/^--?(http|tcp|udp|close)$/.test(arg) ? `${arg}=true` : arg)), ['port', 'http', 'tcp', 'udp', 'close'])
  const port = portFlag(values['port'], 9376)
  const { promise, reject } = Promise.withResolvers<never>()
  process.on('SIGTERM', () => process.exit(0))
  if (values['udp'] === 'true') serveUdp(port, () => hostname())
  if (values['tcp'] === 'true') {
    createServer((socket) => socket.on('error', () => undefined).end(`${hostname()}\n`)).on('error', reject).listen(port)
  } else if (values['http'] !== 'false' && values['udp'] !== 'true') {
    createHttpServer(() => ({ body: hostname() })).on('error', reject).listen(port)
  }
  await promise
}
