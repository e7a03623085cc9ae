// Sends back what it is sent, over connections that last. Arguments: `tcp|address|port` or `udp|address|port`.
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

await Promise.all(process.argv.slice(2).map((place) => new Promise<void>((resolve) => {
  const [protocol, address, port] = place.split('|')
  if (protocol === 'tcp') {
    createServer((socket) => {
      socket.on('error', () => undefined)
      socket.setNoDelay(true).pipe(socket)
    }).listen({ host: address, port: Number(port) }, resolve)
  } else {
    const socket = createSocket(address!.includes(':') ? 'udp6' : 'udp4')
    socket.on('message', (message, remote) => socket.send(message, remote.port, remote.address))
    socket.bind(Number(port), address, resolve)
  }
})))
process.stdout.write('ready\n')
