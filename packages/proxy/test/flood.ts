// Sends one datagram each from many ports: as many connections to conntrack. Arguments: address, port, first source port, count.
import { createSocket } from 'node:dgram'

const [host, port, first, count] = process.argv.slice(2)
const batch = 200

for (let sent = 0; sent < Number(count); sent += batch) {
  await Promise.all(Array.from({ length: Math.min(batch, Number(count) - sent) }, (_, index) => new Promise<void>((resolve, reject) => {
    const socket = createSocket(host!.includes(':') ? 'udp6' : 'udp4')
    socket.once('error', reject)
    socket.bind(Number(first) + sent + index, () => socket.send('?', Number(port), host, () => socket.close(() => resolve())))
  })))
}
process.stdout.write('done\n')
