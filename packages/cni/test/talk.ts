/** Servers and clients inside namespaces, to see who reaches whom and with which source address. */
import { spawn } from 'node:child_process'
import type { TestNamespace } from '@weft/netlink/testing'

const servers = {
  tcp: `require('net').createServer((s) => s.end('NAME' + s.remoteAddress)).listen(PORT, '::', () => console.log('ready'))`,
  udp: `const s = require('dgram').createSocket('udp6'); s.on('message', (_, r) => s.send('NAME' + r.address, r.port, r.address)); s.bind(PORT, () => console.log('ready'))`,
}
const clients = {
  tcp: `const s = require('net').connect({host: 'HOST', port: PORT, localAddress: SOURCE}); s.setTimeout(1500, () => { console.log('silence'); process.exit() }); s.on('data', (d) => process.stdout.write(d)); s.on('error', (e) => console.log(e.code))`,
  udp: `const s = require('dgram').createSocket('FAMILY'); s.on('message', (d) => { console.log(String(d)); process.exit() }); s.send('x', PORT, 'HOST'); setTimeout(() => { console.log('silence'); process.exit() }, 1500)`,
}

/** Answers every client with the source address it sees, after a name if it has one. */
export async function serve(namespace: TestNamespace, protocol: 'tcp' | 'udp', port: number, name?: string): Promise<Disposable> {
  return await serving(namespace, servers[protocol].replace('PORT', String(port)).replace('NAME', name === undefined ? '' : `${name} `))
}

/** Resolves when the program has said that it is ready. */
async function serving(namespace: TestNamespace, program: string): Promise<Disposable> {
  const child = spawn('nsenter', [`--net=${namespace.path}`, process.execPath, '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return { [Symbol.dispose]: () => void child.kill('SIGKILL') }
}

/** What the server answers, without the prefix of mapped addresses; `silence` or an error code if nobody does. */
export function ask(from: TestNamespace, protocol: 'tcp' | 'udp', host: string, port: number, source?: string): string {
  const program = clients[protocol].replace('HOST', host).replace('PORT', String(port)).replace('SOURCE', source === undefined ? 'undefined' : `'${source}'`).replace('FAMILY', host.includes(':') ? 'udp6' : 'udp4')
  return from.exec(process.execPath, ['-e', program]).trim().replace('::ffff:', '')
}

/** Takes in whatever comes, and says so when a client has said all. */
export async function sink(namespace: TestNamespace, port: number): Promise<Disposable> {
  return await serving(namespace, `require('net').createServer({allowHalfOpen: true}, (s) => s.resume().on('end', () => s.end('.'))).listen(${port}, '::', () => console.log('ready'))`)
}

/** Milliseconds until a {@link sink} has taken in that many bytes. */
export function pour(from: TestNamespace, host: string, port: number, bytes: number): number {
  const program = `const t = performance.now(); require('net').connect(${port}, '${host}', function () { this.end(Buffer.alloc(${bytes})) }).on('data', () => console.log(performance.now() - t))`
  return Number(from.exec(process.execPath, ['-e', program]))
}
