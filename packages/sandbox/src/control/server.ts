import { rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Buffer } from 'node:buffer'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../errors.ts'
import type { Spawned } from '../inside/command.ts'
import { type AdminProgram, adminPrograms, encodeFrame, type EnterAnswer, type FrameKind, type LogRequest, type PodTarget, type RunExit, type RunRequest, runHeader, type SandboxStatus, type Target } from './protocol.ts'

// A static import would load Node's fetch too: see daemon's http-server.ts.
const { createServer, request } = process.getBuiltinModule('node:http')
const firstPieceMs = 500

/** What the control socket can do; init implements it. */
export interface ControlPort {
  status(): SandboxStatus
  shutdown(): void
  /** @throws If the place does not exist. */
  run(run: RunRequest): Spawned
  logs(log: LogRequest, signal: AbortSignal): AsyncIterable<string>
  killAgent(node: string): { readonly pid: number }
  /** The admin socket of a program: of a node, or of the cluster. */
  adminSocket(program: AdminProgram, node: string): string
  checkAttachment(pod: PodTarget): Promise<void>
  enter(target: Target): EnterAnswer
}

/**
 * Serves {@link ControlPort} on a unix socket of mode 0600.
 *
 * @returns Closes it and removes the socket file.
 */
export async function serveControl(path: string, port: ControlPort): Promise<() => void> {
  rmSync(path, { force: true })
  const server = createServer((message, answer) => {
    handle(port, message, answer).catch((error: unknown) => {
      if (answer.headersSent) answer.destroy()
      else answer.writeHead(error instanceof RangeError ? 404 : 500).end(`${messageOf(error)}\n`)
    })
  })
  server.keepAliveTimeout = 1
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const mask = process.umask(0o177)
  server.once('error', reject).listen(path, resolve)
  process.umask(mask)
  await promise
  return () => {
    rmSync(path, { force: true })
    server.close()
  }
}

async function handle(port: ControlPort, message: IncomingMessage, answer: ServerResponse): Promise<void> {
  const url = new URL(message.url ?? '/', 'http://sandbox')
  const [, first, second, third] = url.pathname.split('/')
  const gone = new AbortController()
  answer.on('close', () => gone.abort())
  const json = (value: unknown, status = 200): void => void answer.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(value)}\n`)

  switch (`${message.method} /${first}`) {
    case 'GET /status': return json(port.status())
    case 'POST /shutdown':
      answer.once('finish', () => port.shutdown())
      return json({}, 202)
    case 'POST /run': return run(port, message, answer)
    case 'GET /logs': {
      const log: LogRequest = JSON.parse(url.searchParams.get('request') ?? '{}')
      await sendLog(port.logs(log, gone.signal), answer, gone.signal)
      return
    }
    case 'GET /enter': {
      const target: Target = JSON.parse(url.searchParams.get('target') ?? '{}')
      return json(port.enter(target))
    }
    case 'POST /attachments':
      await port.checkAttachment({ namespace: url.searchParams.get('namespace') ?? '', name: url.searchParams.get('name') ?? '' })
      return json({})
    default:
  }
  if (first === 'agents' && second !== undefined && third === 'kill' && message.method === 'POST') return json(port.killAgent(second))
  const program = adminPrograms.find((each) => each === first)
  if (program !== undefined && second !== undefined && third === 'admin') {
    const path = message.url!.slice(`/${first}/${second}/admin`.length)
    const call = request({ socketPath: port.adminSocket(program, second), method: message.method, path, headers: message.headers, signal: gone.signal }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(answer)
    })
    call.on('error', (error) => {
      if (!answer.headersSent) answer.writeHead(502).end(`Cannot reach ${first} of node "${second}": ${error.message}\n`)
    })
    message.pipe(call)
    return
  }
  answer.writeHead(404).end(`Cannot find "${message.method} ${url.pathname}": no such call\n`)
}

function run(port: ControlPort, message: IncomingMessage, answer: ServerResponse): void {
  const order: RunRequest = JSON.parse(Buffer.from(String(message.headers[runHeader]), 'base64url').toString())
  const spawned = port.run(order)
  answer.writeHead(200, { 'content-type': 'application/octet-stream' })
  answer.flushHeaders()
  const { process: child } = spawned
  const exit = (value: RunExit): void => void answer.end(encodeFrame('exit', Buffer.from(JSON.stringify(value))))
  forward(child.stdout, 'stdout', answer)
  forward(child.stderr, 'stderr', answer)
  // A command that does not read its input is no fault of anybody.
  child.stdin?.on('error', () => undefined)
  if (child.stdin !== null) message.pipe(child.stdin)
  child.once('error', (error) => exit({ code: 127, error: error.message }))
  child.once('close', (code) => exit({ code: code ?? 137 }))
  answer.on('close', () => spawned.kill())
}

function forward(stream: Readable | null, kind: FrameKind, answer: ServerResponse): void {
  stream?.on('data', (data: Buffer) => {
    if (answer.write(encodeFrame(kind, data))) return
    stream.pause()
    answer.once('drain', () => stream.resume())
  })
}

/** The source is looked up when the first piece is read: what is wrong with it must arrive before the status does. */
async function sendLog(log: AsyncIterable<string>, answer: ServerResponse, signal: AbortSignal): Promise<void> {
  const pieces = log[Symbol.asyncIterator]()
  const first = pieces.next()
  // A log that is followed may have nothing to say for long; a failure to find it comes at once.
  const soon = await Promise.race([first, sleep(firstPieceMs, undefined)])
  answer.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
  answer.flushHeaders()
  for (let piece = soon ?? (await first); piece.done !== true; piece = await pieces.next()) {
    if (!answer.write(piece.value)) await drained(answer, signal)
    if (signal.aborted) break
  }
  await pieces.return?.()
  answer.end()
}

function drained(answer: ServerResponse, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  answer.once('drain', resolve)
  signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}
