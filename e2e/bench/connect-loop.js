// For each `address port` on standard input: connects every 2 ms until somebody answers, and prints the moment (ns of the monotonic clock, the
// same in every process of a machine). One that is not there yet swallows what it is sent, so that no attempt may wait for the one before.
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

for await (const line of createInterface({ input: process.stdin })) {
  const [host, port] = line.split(' ')
  const { promise, resolve } = Promise.withResolvers()
  const sockets = new Set()
  const attempt = () => {
    const socket = connect({ host, port: Number(port) })
    sockets.add(socket)
    socket.once('connect', () => resolve(process.hrtime.bigint()))
    socket.once('error', () => sockets.delete(socket))
  }
  attempt()
  const timer = setInterval(attempt, 2)
  const at = await promise
  clearInterval(timer)
  for (const socket of sockets) socket.destroy()
  process.stdout.write(`${at}\n`)
}
