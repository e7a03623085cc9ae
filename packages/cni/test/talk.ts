/** Servers and clients inside namespaces, to see who reaches whom and with which source address. */
import { spawn } from 'node:child_process'
import type { TestNamespace } from '@weft/netlink/testing'

const servers = {
  tcp: `require('net').createServer((s) => s.end(s.remoteAddress)).listen(PORT, '::', () => console.log('ready'))`,
  udp: `const s = require('dgram').createSocket('udp6'); s.on('message', (_, r) => s.send(r.address, r.port, r.address)); s.bind(PORT, () => console.log('ready'))`,
}
const clients = {
  tcp: `const s = require('net').connect({host: 'HOST', port: PORT}); s.setTimeout(1500, () => { console.log('silence'); process.exit() }); s.on('data', (d) => process.stdout.write(d)); s.on('error', (e) => console.log(e.code))`,
  udp: `const s = require('dgram').createSocket('FAMILY'); s.on('message', (d) => { console.log(String(d)); process.exit() }); s.send('x', PORT, 'HOST'); setTimeout(() => { console.log('silence'); process.exit() }, 1500)`,
}

/** Answers every client with the source address it sees. */
export async function serve(namespace: TestNamespace, protocol: 'tcp' | 'udp', port: number): Promise<Disposable> {
  const child = spawn('nsenter', [`--net=${namespace.path}`, process.execPath, '-e', servers[protocol].replace('PORT', String(port))], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') }
}

/** What the server answers, without the prefix of mapped addresses; `silence` or an error code if nobody does. */
export function ask(from: TestNamespace, protocol: 'tcp' | 'udp', host: string, port: number): string {
  const program = clients[protocol].replace('HOST', host).replace('PORT', String(port)).replace('FAMILY', host.includes(':') ? 'udp6' : 'udp4')
  return from.exec(process.execPath, ['-e', program]).trim().replace('::ffff:', '')
}
