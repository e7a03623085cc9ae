// Keeps connections to a Service that last, and opens new ones all the time, until its input ends; then prints SteadyReport as JSON. Argument: JSON of SteadyTarget, a list.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** An address of a Service whose TCP and UDP ports send back what they are sent. */
interface SteadyTarget {
  readonly host: string
  readonly tcp: number
  readonly udp: number
}

export interface SteadyReport {
  /** Connections and UDP sockets that were opened, used once, and closed; and how many of them failed. */
  readonly opened: number
  readonly failed: number
  /** Bytes and datagrams that went to and fro over those that last. */
  readonly rounds: number
  /** Connections that ended by themselves, and datagrams that were lost. */
  readonly broken: number
  readonly longestMs: number
  /** What failed first. */
  readonly failure: string | undefined
}

const timeoutMs = 5000
const lasting = 10
const pauseMs = 10

let isOver = false
const count = { opened: 0, failed: 0, rounds: 0, broken: 0, longestMs: 0 }
let failure: string | undefined

function note(what: 'failed' | 'broken', where: string, error: unknown): void {
  count[what] += 1
  failure ??= `${where}: ${(error as Error).message}`
}

async function open(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) })
  return socket
}

/** There and back; how long it took. */
async function round(socket: Socket): Promise<void> {
  const started = performance.now()
  socket.write('x')
  await once(socket, 'data', { signal: AbortSignal.timeout(timeoutMs) })
  count.longestMs = Math.max(count.longestMs, performance.now() - started)
}

async function openAnew({ host, tcp }: SteadyTarget): Promise<void> {
  while (!isOver) {
    count.opened += 1
    try {
      const socket = await open(host, tcp)
      await round(socket)
      socket.destroy()
    } catch (error) {
      note('failed', `new connection to ${host}`, error)
    }
    await sleep(1)
  }
}

async function last({ host, tcp }: SteadyTarget): Promise<void> {
  const socket = await open(host, tcp)
  try {
    for (; !isOver; count.rounds += 1) {
      await round(socket)
      await sleep(pauseMs)
    }
  } catch (error) {
    note('broken', `connection to ${host}`, error)
  }
  socket.destroy()
}

/** One socket, whose flow lasts, or a new one for each datagram. */
async function datagrams({ host, udp }: SteadyTarget, isLasting: boolean): Promise<void> {
  const openSocket = async (): Promise<ReturnType<typeof createSocket>> => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    socket.connect(udp, host)
    await once(socket, 'connect')
    return socket
  }
  let socket = await openSocket()
  while (!isOver) {
    try {
      const answer = once(socket, 'message', { signal: AbortSignal.timeout(timeoutMs) })
      socket.send('x')
      await answer
      if (isLasting) count.rounds += 1
    } catch (error) {
      note(isLasting ? 'broken' : 'failed', `datagram to ${host}`, error)
    }
    if (!isLasting) {
      count.opened += 1
      socket.close()
      socket = await openSocket()
    }
    await sleep(isLasting ? pauseMs : 1)
  }
  socket.close()
}

const targets = JSON.parse(process.argv[2]!) as readonly SteadyTarget[]
process.stdin.resume().on('end', () => { isOver = true })
const all = targets.flatMap((target) => [openAnew(target), datagrams(target, false), datagrams(target, true), ...Array.from({ length: lasting }, () => last(target))])
await Promise.all(all)
process.stdout.write(JSON.stringify({ ...count, failure } satisfies SteadyReport))
