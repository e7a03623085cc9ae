import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { LoopbackUdp } from './loopback-udp.ts'

test('LoopbackUdp has what came when it is asked, and says that nobody listens', async () => {
  const echo = createSocket('udp4', (bytes, { address, port }) => echo.send(bytes, port, address))
  echo.bind(0, '127.0.0.1')
  await once(echo, 'listening')
  using socket = new LoopbackUdp(echo.address().port)
  const into = new Uint8Array(4)
  expect(socket.receive(into)).toBeUndefined()
  socket.send(Uint8Array.of(1, 2, 3))
  socket.send(Uint8Array.of(4, 5, 6, 7, 8))
  let second: number | undefined
  await once(echo, 'message')
  await expect.poll(() => socket.receive(into)).toBe(3)
  expect([...into]).toEqual([1, 2, 3, 0])
  await expect.poll(() => (second ??= socket.receive(into))).toBe(4)
  expect([...into], 'cut').toEqual([4, 5, 6, 7])
  echo.close()
  await once(echo, 'close')
  socket.send(into)
  expect(() => socket.receive(into)).toThrow(expect.objectContaining({ code: 'ECONNREFUSED' }))
  socket.send(into)
})
