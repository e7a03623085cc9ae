// A process of its own for `dns.bench.ts`: asks for names at random, some queries in flight, and says how it went.
import { createSocket } from 'node:dgram'
import { emptyMessage, writeMessage } from '../src/wire/message.ts'
import { parseName } from '../src/wire/name.ts'
import { rrTypes } from '../src/wire/codes.ts'
import { serviceNames } from './workload.ts'

const [port, services, seconds, inFlight] = process.argv.slice(2).map(Number) as [number, number, number, number]
const queries: Buffer[] = []
for (const { name } of serviceNames(services)) {
  // What a pod asks: both families, and now and then a name of the search list that is not there.
  queries.push(query(name, rrTypes.A), query(name, rrTypes.AAAA))
  if (queries.length % 10 === 0) queries.push(query(`www.example.com.${name.split('.').slice(1).join('.')}`, rrTypes.A))
}

function query(name: string, type: number): Buffer {
  return writeMessage({ ...emptyMessage, recursionDesired: true, questions: [{ name: parseName(name), type, class: 1 }], edns: { udpBytes: 1232, version: 0, dnssecOk: false, options: [] } })
}

const sockets = Array.from({ length: 4 }, () => createSocket({ type: 'udp4', recvBufferSize: 1 << 20 }))
const sentAt = new Float64Array(65_536)
const latencies: number[] = []
let answered = 0
let next = 0
let id = 0
const ask = (socket: (typeof sockets)[number]): void => {
  const bytes = queries[next = (next + 7919) % queries.length]!
  id = (id + 1) & 0xffff
  bytes.writeUInt16BE(id, 0)
  sentAt[id] = performance.now()
  // Connected sockets take the fast path: no address to look up.
  socket.send(bytes)
}
await Promise.all(sockets.map(async (socket) => {
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve))
  socket.on('message', (response) => {
    answered++
    if (answered % 64 === 0) latencies.push(performance.now() - sentAt[response.readUInt16BE(0)]!)
    ask(socket)
  })
}))
const started = performance.now()
const cpu = process.cpuUsage()
for (const socket of sockets) for (let n = 0; n < inFlight / sockets.length; n++) ask(socket)
// Lost datagrams would leave fewer and fewer in flight.
let before = 0
const refill = setInterval(() => {
  if (answered === before) for (const socket of sockets) ask(socket)
  before = answered
}, 50)
setTimeout(() => {
  clearInterval(refill)
  const elapsed = (performance.now() - started) / 1000
  latencies.sort((a, b) => a - b)
  const used = process.cpuUsage(cpu)
  process.stdout.write(`${JSON.stringify({ answered, perSecond: answered / elapsed, p50Ms: latencies[latencies.length >> 1], p99Ms: latencies[Math.floor(latencies.length * 0.99)], clientCpu: (used.user + used.system) / 1e6 / elapsed })}\n`)
  process.exit()
}, seconds * 1000)
