// Runs inside a pod's namespace: listens, connects and sends as lines of JSON on stdin say; answers on stdout.
import { createSocket } from 'node:dgram'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

export type PodCommand =
  | { readonly do: 'listen', readonly port: number }
  | { readonly do: 'tcp' | 'udp', readonly to: string, readonly port: number, readonly timeoutMs: number }
  /** All at once; in the order of the answer. */
  | { readonly do: 'probe', readonly targets: readonly { readonly protocol: 'tcp' | 'udp', readonly to: string, readonly port: number }[], readonly timeoutMs: number }
  /** Sends one datagram, and is done when the kernel has it. */
  | { readonly do: 'send', readonly to: string, readonly port: number, readonly text: string }
  /** Datagrams received by text. */
  | { readonly do: 'texts' }
  /** Sends datagrams to all ports, round after round, until `stop`. */
  | { readonly do: 'blast', readonly to: string, readonly ports: readonly number[] }
  /** Sends a datagram and opens a connection each millisecond, with or without a network, until `stop`. */
  | { readonly do: 'hammer', readonly to: string, readonly port: number, readonly text: string }
  | { readonly do: 'stop' }
  /** Datagrams received by port. */
  | { readonly do: 'count' }
  /** Opens a TCP connection and keeps it; `talk` sends on it and waits for the echo. */
  | { readonly do: 'open', readonly to: string, readonly port: number, readonly timeoutMs: number }
  | { readonly do: 'talk', readonly timeoutMs: number }
  /** Asks once by UDP for a datagram every few milliseconds, and never says anything again; `ticks` tells how many came. */
  | { readonly do: 'subscribe', readonly to: string, readonly port: number }
  | { readonly do: 'ticks' }
  /** What becomes of a datagram: an answer, an ICMP error, or nothing. */
  | { readonly do: 'ask', readonly to: string, readonly port: number, readonly timeoutMs: number }

const received = new Map<number, number>()
const texts = new Map<string, number>()
let kept: Socket | undefined
let blasting: NodeJS.Timeout | undefined
let sent = 0
let ticks = 0

function listen(port: number): Promise<unknown> {
  const udp = createSocket({ type: 'udp6' })
  udp.on('message', (message, { address, port: from }) => {
    received.set(port, (received.get(port) ?? 0) + 1)
    texts.set(String(message), (texts.get(String(message)) ?? 0) + 1)
    if (String(message) === 'ping') udp.send('pong', from, address)
    if (String(message) === 'subscribe') setInterval(() => udp.send('tick', from, address), 5)
  })
  const tcp = createServer((socket) => socket.on('error', () => undefined).pipe(socket))
  return Promise.all([new Promise<void>((resolve) => udp.bind(port, '::', resolve)), new Promise<void>((resolve) => tcp.listen(port, '::', resolve))])
}

function dial(to: string, port: number, timeoutMs: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: to, port })
    const timer = setTimeout(() => {
      socket.destroy()
      resolve(undefined)
    }, timeoutMs)
    socket.on('connect', () => {
      clearTimeout(timer)
      resolve(socket)
    }).on('error', () => {
      clearTimeout(timer)
      resolve(undefined)
    })
  })
}

function subscribe(to: string, port: number): void {
  const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
  socket.on('error', () => undefined).on('message', () => { ticks += 1 })
  socket.connect(port, to, () => socket.send('subscribe'))
}

/** @returns What the kernel or the other side said: `answer`, an error's code, or `silence`. */
async function ask(to: string, port: number, timeoutMs: number): Promise<string> {
  const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
  const { promise, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(resolve, timeoutMs, 'silence')
  socket.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? 'error')).on('message', () => resolve('answer')).connect(port, to, () => socket.send('ping'))
  const outcome = await promise
  clearTimeout(timer)
  socket.close()
  return outcome
}

function askUdp(to: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
    const finish = (answered: boolean): void => {
      clearTimeout(timer)
      socket.close()
      resolve(answered)
    }
    const timer = setTimeout(finish, timeoutMs, false)
    // Connected: an answer from another address than the one asked is no answer.
    socket.on('error', () => finish(false)).on('message', () => finish(true)).connect(port, to, () => socket.send('ping'))
  })
}

/** One socket for all that is sent without an answer: a connection of conntrack each time anew would hide what is remembered. */
const sender = { 4: createSocket('udp4'), 6: createSocket('udp6') }
for (const socket of Object.values(sender)) socket.on('error', () => undefined).unref()

async function send(to: string, port: number, text: string): Promise<boolean> {
  return await new Promise((resolve) => {
    sender[to.includes(':') ? 6 : 4].send(text, port, to, (error) => resolve(error === null))
  })
}

async function reach({ protocol, to, port }: { readonly protocol: 'tcp' | 'udp', readonly to: string, readonly port: number }, timeoutMs: number): Promise<boolean> {
  if (protocol === 'udp') return await askUdp(to, port, timeoutMs)
  const socket = await dial(to, port, timeoutMs)
  socket?.destroy()
  return socket !== undefined
}

function talk(timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs, false)
    kept?.once('data', () => {
      clearTimeout(timer)
      resolve(true)
    })
    kept?.write('x')
  })
}

async function run(command: PodCommand): Promise<unknown> {
  switch (command.do) {
    case 'listen': return await listen(command.port)
    case 'udp': case 'tcp': return await reach({ ...command, protocol: command.do }, command.timeoutMs)
    case 'probe': return await Promise.all(command.targets.map((target) => reach(target, command.timeoutMs)))
    case 'subscribe': return subscribe(command.to, command.port)
    case 'ticks': return ticks
    case 'ask': return await ask(command.to, command.port, command.timeoutMs)
    case 'send': return await send(command.to, command.port, command.text)
    case 'texts': return Object.fromEntries(texts)
    case 'open': return (kept = await dial(command.to, command.port, command.timeoutMs)) !== undefined
    case 'talk': return await talk(command.timeoutMs)
    case 'blast': {
      const socket = createSocket('udp4')
      blasting = setInterval(() => {
        for (const port of command.ports) socket.send('x', port, command.to)
        sent += 1
      }, 1)
      return undefined
    }
    case 'hammer': {
      blasting = setInterval(() => {
        sender[4].send(command.text, command.port, command.to)
        const socket = connect({ host: command.to, port: command.port }).on('error', () => undefined)
        setTimeout(() => socket.destroy(), 20)
      }, 1)
      return undefined
    }
    case 'stop': {
      clearInterval(blasting)
      return sent
    }
    case 'count': return Object.fromEntries(received)
    default: return command satisfies never
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, command } = JSON.parse(line) as { readonly id: number, readonly command: PodCommand }
  void run(command).then((result) => process.stdout.write(`${JSON.stringify({ id, result })}\n`))
}).on('close', () => process.exit())
process.stdout.write('{"id":0}\n')
