// Read first: KEP-4006 (WebSocket exec), k8s.io/streaming: subprotocols v4 and v5 of channel.k8s.io.
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Api } from '../api.ts'
import { attributesOf } from '../authorization/attributes.ts'
import { EventQueue } from '../event-queue.ts'
import type { JsonObject } from '../json.ts'
import { ApiError, unknownPath } from '../status.ts'
import { isTrue } from '../verbs/watch.ts'
import { authenticate, authorize } from './authenticate.ts'
import { isPodStream, podTarget, type PodTarget } from './pod-target.ts'

const STDIN = 0
const STDOUT = 1
const STDERR = 2
const ERROR = 3
/** v5: the next octet names a channel that the client closes. */
const CLOSE = 255
const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io']

/** Takes WebSocket upgrades of a server: `kubectl exec`. */
export function serveExec(api: Api, server: Server): void {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: offered => PROTOCOLS.find(protocol => offered.has(protocol)) ?? false })
  server.on('upgrade', (request, socket, head) => {
    try {
      const url = new URL(request.url ?? '/', 'https://apiserver')
      const user = authenticate(api, request)
      if (!isPodStream(url.pathname, 'exec')) throw unknownPath()
      // Running a command is a write, though WebSockets start as a GET (since Kubernetes 1.35).
      authorize(api, user, attributesOf({ method: 'POST', path: url.pathname, query: url.searchParams }))
      const target = podTarget(api, url.pathname, url.searchParams)
      sockets.handleUpgrade(request, socket, head, webSocket => void run(api, webSocket, { target, query: url.searchParams }))
    } catch (error) {
      refuse(socket, request, error)
    }
  })
}

function refuse(socket: Duplex, _request: IncomingMessage, error: unknown): void {
  const failure = error instanceof ApiError ? error : new ApiError(500, 'InternalError', String(error))
  const body = JSON.stringify(failure.toStatus())
  socket.end(`HTTP/1.1 ${failure.code} ${failure.reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`)
}

async function run(api: Api, webSocket: WebSocket, { target, query }: { target: PodTarget, query: URLSearchParams }): Promise<void> {
  const ended = new AbortController()
  const stdin = new EventQueue<Uint8Array>()
  const send = (channel: number, bytes: Uint8Array): void => webSocket.send(Buffer.concat([Uint8Array.of(channel), bytes]))
  webSocket.on('message', (data: Buffer) => {
    if (data[0] === STDIN) stdin.push(data.subarray(1))
    else if (data[0] === CLOSE && data[1] === STDIN) stdin.end()
  })
  webSocket.on('close', () => {
    stdin.end()
    ended.abort()
  })
  webSocket.on('error', () => ended.abort())
  const status = await exitStatus(target, {
    command: query.getAll('command'),
    tty: isTrue(query, 'tty'),
    stdin: isTrue(query, 'stdin') ? stdin : undefined,
    stdout: bytes => send(STDOUT, bytes),
    stderr: bytes => send(STDERR, bytes),
    signal: ended.signal,
  })
  api.logger.debug({ pod: `${target.namespace}/${target.name}`, status: status['status'] }, 'exec ended')
  if (ended.signal.aborted) return
  send(ERROR, Buffer.from(JSON.stringify(status)))
  webSocket.close(1000)
}

async function exitStatus(target: PodTarget, options: Parameters<NonNullable<PodTarget['runtime']['exec']>>[3]): Promise<JsonObject> {
  try {
    const exec = target.runtime.exec?.bind(target.runtime)
    if (exec === undefined) throw new ApiError(501, 'NotImplemented', 'this pod runtime cannot run commands')
    const code = await exec(target.namespace, target.name, target.container, options)
    if (code === 0) return { metadata: {}, status: 'Success' }
    const message = `command terminated with non-zero exit code: exit status ${code}`
    return { metadata: {}, status: 'Failure', message, reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: String(code) }] } }
  } catch (error) {
    const failure = error instanceof ApiError ? error : new ApiError(500, 'InternalError', error instanceof Error ? error.message : String(error))
    return failure.toStatus()
  }
}
