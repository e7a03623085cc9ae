import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { durationMs, portFlag, readFlags } from './arguments.ts'
import { dial } from './dial.ts'
import { formatEndpoint } from './http-client.ts'
import { createHttpServer, type HttpReply, type HttpRequest } from './http-server.ts'
import { serveUdp } from './udp.ts'

/**
 * agnhost's `netexec`: an HTTP and a UDP server that tell about themselves and their client.
 *
 * One difference: `/upload` answers the SHA-256 of what it got, and keeps nothing.
 */
export async function netexec(args: readonly string[]): Promise<void> {
  const { values } = readFlags(args, ['http-port', 'udp-port', 'http-override', 'delay-shutdown', 'udp-listen-addresses', 'sctp-port', 'tls-cert-file', 'tls-private-key-file'])
  const httpPort = portFlag(values['http-port'], 8080)
  const udpPort = portFlag(values['udp-port'], 8081)
  const override = values['http-override'] ?? ''
  const delaySeconds = Number(values['delay-shutdown'] ?? 0)

  process.on('SIGTERM', () => void sleep(delaySeconds * 1000).then(() => process.exit(0)))

  const server = createHttpServer((request) => (override === '' ? answer(request) : answer({ ...request, url: new URL(override, 'http://probe') })))
  // Not '::' first: where IPv6 is switched off in the pod, Node falls back to 0.0.0.0 only by itself.
  server.listen(httpPort)
  const { promise, reject } = Promise.withResolvers<never>()
  server.on('error', reject)
  if (udpPort > 0) {
    serveUdp(udpPort, (message, peer) => {
      const text = message.toString().trim()
      if (text === 'hostname') return hostname()
      if (text === 'clientip') return formatEndpoint(peer.address, peer.port)
      return /^echo /i.test(text) ? text.slice(5) : ''
    })
  }
  await promise
}

async function answer(request: HttpRequest): Promise<HttpReply> {
  const { url, socket } = request
  const query = url.searchParams
  switch (url.pathname.toLowerCase()) {
    case '/': return { body: `NOW: ${new Date().toISOString()}` }
    case '/clientip': return { body: formatEndpoint(socket.remoteAddress, socket.remotePort) }
    case '/serverip': return { body: formatEndpoint(socket.localAddress, socket.localPort) }
    case '/hostname': return { body: hostname() }
    case '/healthz': return { body: '' }
    case '/echo': return { body: query.get('msg') ?? '', status: Number(query.get('code') ?? 200) }
    case '/header': return { body: request.headers.get((query.get('key') ?? '').toLowerCase()) ?? '' }
    case '/dial': return await dial(query)
    case '/upload': return { body: await digest(request) }
    case '/download': return { body: Buffer.alloc(Math.min(Number(query.get('bytes') ?? 0), 1 << 28), 'weft'), contentType: 'application/octet-stream' }
    case '/redirect': return { body: '', status: Number(query.get('code') ?? 302), headers: { Location: query.get('location') ?? '/' } }
    case '/shutdown': return { body: '', afterwards: () => process.exit(0) }
    case '/exit': {
      const code = Number(query.get('code') ?? 0)
      await sleep(durationMs(query.get('wait') ?? '') ?? 0)
      return { body: '', afterwards: () => process.exit(code) }
    }
    default: return { body: '404 page not found\n', status: 404 }
  }
}

async function digest(request: HttpRequest): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of request.body) hash.update(chunk)
  return hash.digest('hex')
}
