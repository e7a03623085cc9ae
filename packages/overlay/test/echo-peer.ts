// Runs in a namespace: answers every datagram on port 9000 with the sender's address, and asks others when told to on stdin.
import { createSocket } from 'node:dgram'
import { createInterface } from 'node:readline'

const port = 9000
const server = createSocket({ type: 'udp6', reuseAddr: true })
server.on('message', (_, from) => server.send(from.address.replace(/^::ffff:/, ''), from.port, from.address))
server.on('error', () => undefined)
server.bind(port, '::', () => process.stdout.write('ready\n'))

/** `<address> <port> <bytes>`: the answer, or `-` when none comes within a second. */
for await (const line of createInterface({ input: process.stdin })) {
  const [address = '', to = port, bytes = '1'] = line.split(' ')
  process.stdout.write(`${await ask(address, Number(to), Number(bytes))}\n`)
}

async function ask(address: string, to: number, bytes: number): Promise<string> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  const { promise, resolve } = Promise.withResolvers<string>()
  socket.on('message', (data) => resolve(data.toString()))
  // ICMP errors arrive here: the next try may do better.
  socket.on('error', () => undefined)
  for (let turn = 0; turn < 5; turn += 1) {
    socket.send(Buffer.alloc(bytes), to, address, () => undefined)
    const answer = await Promise.race([promise, new Promise<undefined>((done) => setTimeout(done, 200, undefined))])
    if (answer !== undefined) {
      socket.close()
      return answer
    }
  }
  socket.close()
  return '-'
}
