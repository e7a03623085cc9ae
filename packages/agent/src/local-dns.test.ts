import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { silentLogger } from '@weft/daemon/testing'
import { describe, expect, test } from 'vitest'
import { DnsProbe, encodeQuery } from './dns-probe.ts'
import { LocalDns } from './local-dns.ts'

/** Gives answers one after the other, and tells where queries went after each: undefined until they were moved. */
async function over(answers: readonly boolean[], { expected = true } = {}): Promise<readonly (boolean | undefined)[]> {
  const stop = new AbortController()
  const moves: boolean[] = []
  const before: (boolean | undefined)[] = []
  const left = [...answers]
  const dns = new LocalDns({
    isExpected: () => expected,
    ask: async () => {
      before.push(moves.at(-1))
      const answer = left.shift()!
      if (left.length === 0) stop.abort()
      return answer
    },
    use: async (local) => void moves.push(local),
    pause: async () => expected ? undefined : stop.abort(),
    intervalMs: 1,
    clock: undefined as never,
    logger: silentLogger,
  })
  await dns.run(stop.signal)
  return before.length === 0 ? [] : [...before.slice(1), moves.at(-1)]
}

describe('LocalDns', () => {
  test('moves queries away after two silences in a row and back after two answers', async () => {
    expect(await over([true, false, false, true, true])).toEqual([undefined, undefined, false, false, true])
  })

  test('one lost answer moves nothing', async () => {
    expect(await over([false, true, false, true])).toEqual([undefined, undefined, undefined, undefined])
  })

  test('asks nobody where no server is expected', async () => {
    expect(await over([], { expected: false })).toEqual([])
  })

  test('begin() does not send the first queries to a server that is not there', async () => {
    const moves: boolean[] = []
    const dns = new LocalDns({ isExpected: () => true, ask: async () => false, use: async (local) => void moves.push(local), pause: undefined as never, intervalMs: 1, clock: undefined as never, logger: silentLogger })
    await dns.begin(new AbortController().signal)
    expect([dns.isUsed, moves]).toEqual([false, [false]])
  })

  test('leave() moves queries away before the agent exits, and does not wait for ever', async () => {
    const moves: boolean[] = []
    const never = new Promise<void>(() => undefined)
    const dns = new LocalDns({
      isExpected: () => true, ask: async () => true, pause: undefined as never, intervalMs: 1, logger: silentLogger,
      use: async (local) => {
        moves.push(local)
        await never
      },
      clock: { sleep: async () => undefined } as never,
    })
    await dns.leave()
    expect(moves).toEqual([false])
  })
})

describe('DnsProbe', () => {
  test.each([['NOERROR', 0, true], ['NXDOMAIN', 3, true], ['SERVFAIL, as before it knows the cluster', 2, false], ['REFUSED', 5, false]])('%s', async (_what, rcode, healthy) => {
    const server = await listening()
    server.on('message', (query, peer) => {
      expect(query.subarray(2)).toEqual(encodeQuery(0, 'a.cluster.local').subarray(2))
      // Somebody else's answer first: it is not ours.
      for (const id of [query.readUInt16BE(0) ^ 1, query.readUInt16BE(0)]) {
        const answer = Buffer.from(query)
        answer.writeUInt16BE(id, 0)
        answer[2] = 0x81
        answer[3] = id === query.readUInt16BE(0) ? rcode : 0
        server.send(answer, peer.port, peer.address)
      }
    })
    using probe = await DnsProbe.open({ port: server.address().port, name: 'a.cluster.local', timeoutMs: 5000 })
    expect([await probe.ask(), await probe.ask()]).toEqual([healthy, healthy])
    server.close()
  })

  test('silence and a closed port are no, and one that listens again is asked by the same socket', async () => {
    const silent = await listening()
    const { port } = silent.address()
    using probe = await DnsProbe.open({ port, name: 'x', timeoutMs: 50 })
    expect(await probe.ask()).toBe(false)
    silent.close()
    await once(silent, 'close')
    using patient = await DnsProbe.open({ port, name: 'x', timeoutMs: 60_000 })
    expect(await patient.ask()).toBe(false)
    const back = await listening(port)
    back.on('message', (query, peer) => {
      query[2] = 0x81
      back.send(query, peer.port, peer.address)
    })
    expect(await patient.ask()).toBe(true)
    back.close()
  })
})

async function listening(port = 0): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}
