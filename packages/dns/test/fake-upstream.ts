import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { parseIpv4 } from '@weft/ip'
import { emptyMessage, type Message, readMessage, writeMessage } from '../src/wire/message.ts'
import { formatName, parseName } from '../src/wire/name.ts'
import type { ResourceRecord } from '../src/wire/record.ts'

interface Asked {
  readonly message: Message
  readonly name: string
  readonly type: number
  readonly transport: 'udp' | 'tcp'
  readonly port: number
}

/** What an upstream does with a question: a response, several datagrams, or nothing. */
export type Behaviour = (asked: Asked, reply: (parts: Partial<Message>) => Buffer) => Buffer | readonly Buffer[] | undefined

export interface FakeUpstream extends AsyncDisposable {
  readonly port: number
  readonly server: string
  /** Questions so far, without probes. */
  readonly asked: readonly Asked[]
  behave(behaviour: Behaviour): void
}

/** A resolver on 127.0.0.1 that does as it is told. */
export async function fakeUpstream(first: Behaviour): Promise<FakeUpstream> {
  let behaviour = first
  const asked: Asked[] = []
  const handle = (bytes: Buffer, transport: 'udp' | 'tcp', port: number): readonly Buffer[] => {
    const message = readMessage(bytes)
    const { name, type } = message.questions[0]!
    const text = formatName(name).toLowerCase()
    const one: Asked = { message, name: text, type, transport, port }
    // Probes of health and of loops are not what tests count.
    if (text === '.' || text.includes('.loop-')) return [answerTo(message, { rcode: 3 })]
    asked.push(one)
    const answer = behaviour(one, (parts) => answerTo(message, parts))
    return answer === undefined ? [] : Buffer.isBuffer(answer) ? [answer] : answer
  }
  const udp = createSocket('udp4')
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve))
  udp.on('message', (bytes, peer) => {
    for (const datagram of handle(bytes, 'udp', peer.port)) udp.send(datagram, peer.port, peer.address)
  })
  const { port } = udp.address()
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      for (const answer of handle(chunk.subarray(2), 'tcp', socket.remotePort!)) {
        const framed = Buffer.alloc(2 + answer.length)
        framed.writeUInt16BE(answer.length)
        framed.set(answer, 2)
        socket.write(framed)
      }
    })
  })
  await new Promise<void>((resolve) => tcp.listen(port, '127.0.0.1', resolve))
  return {
    port,
    server: `127.0.0.1:${port}`,
    asked,
    behave: (next) => {
      behaviour = next
    },
    async [Symbol.asyncDispose]() {
      udp.close()
      await new Promise<void>((resolve) => tcp.close(() => resolve()))
    },
  }
}

function answerTo(query: Message, parts: Partial<Message>): Buffer {
  return writeMessage({ ...emptyMessage, id: query.id, response: true, recursionDesired: true, recursionAvailable: true, questions: query.questions, edns: query.edns === undefined ? undefined : { ...query.edns, options: [] }, ...parts })
}

export function a(name: string, ip: string, ttlSeconds = 60): ResourceRecord {
  return { name: parseName(name), class: 1, ttlSeconds, data: { type: 'A', address: parseIpv4(ip) } }
}

export function soa(name: string, minimumSeconds = 20): ResourceRecord {
  return { name: parseName(name), class: 1, ttlSeconds: 300, data: { type: 'SOA', mname: parseName(`ns.${name}`), rname: parseName(`host.${name}`), serial: 1, refreshSeconds: 1, retrySeconds: 1, expireSeconds: 1, minimumSeconds } }
}
