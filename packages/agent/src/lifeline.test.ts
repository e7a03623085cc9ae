import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { ManualClock } from '@weft/daemon/testing'
import { expect, test } from 'vitest'
import { Lifeline } from './lifeline.ts'

const never = new AbortController().signal

async function listening(onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer(onConnection).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

test('pause() A7: ends when the server goes, long before the time', async () => {
  const accepted = Promise.withResolvers<Socket>()
  const server = await listening((socket) => accepted.resolve(socket))
  const clock = new ManualClock()
  using lifeline = new Lifeline({ port: (server.address() as AddressInfo).port, clock })
  const first = lifeline.pause(1000, never)
  const socket = await accepted.promise
  await clock.advance(1000)
  expect(await first).toBe(false)
  const second = lifeline.pause(1000, never)
  socket.resetAndDestroy()
  server.close()
  expect(await second).toBe(true)
  expect(clock.now()).toBe(1000)
})

test('pause() lasts its time while a connection is refused, or closed as soon as it was made', async () => {
  const server = await listening((socket) => socket.destroy())
  const clock = new ManualClock()
  const { port } = server.address() as AddressInfo
  using lifeline = new Lifeline({ port, clock })
  const lasts = async (isOver: () => Promise<unknown>): Promise<void> => {
    const since = clock.now()
    const paused = lifeline.pause(1000, never)
    await isOver()
    expect(await Promise.race([paused.then(() => 'over'), clock.advance(999).then(() => 'pausing')])).toBe('pausing')
    await clock.advance(1)
    expect(await paused).toBe(false)
    expect(clock.now()).toBe(since + 1000)
  }
  for (let turn = 0; turn < 3; turn++) {
    await lasts(async () => {
      const [socket] = await once(server, 'connection') as [Socket]
      await once(socket, 'close')
    })
  }
  server.close()
  await once(server, 'close')
  await lasts(async () => await new Promise((resolve) => connect(port, '127.0.0.1').on('error', () => undefined).once('close', resolve)))
})
