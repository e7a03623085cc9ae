// Answers every TCP connection and UDP datagram with its name and the client's address: `b1 10.244.0.9`. Arguments: name, then `tcp:address:port` or `udp:address:port`.
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

const [name, ...places] = process.argv.slice(2)

await Promise.all(places.map((place) => new Promise<void>((resolve) => {
  const [protocol, address, port] = place.split('|')
  if (protocol === 'tcp') {
    createServer((socket) => {
      socket.on('error', () => undefined)
      socket.end(`${name} ${socket.remoteAddress?.replace('::ffff:', '')}`)
    }).listen({ host: address, port: Number(port) }, resolve)
  } else {
    const socket = createSocket(address!.includes(':') ? 'udp6' : 'udp4')
    socket.on('message', (_message, remote) => socket.send(`${name} ${remote.address}`, remote.port, remote.address))
    socket.bind(Number(port), address, resolve)
  }
})))
process.stdout.write('ready\n')
