import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { describe, expect, test } from 'vitest'
import { DnsProbe, encodeQuery } from './dns-probe.ts'
import { LocalDns, type LocalDnsOptions } from './local-dns.ts'

const never = new AbortController().signal
const intervalMs = 400
const timeoutMs = 80

/** A server as the probe sees it: what it says to each question, `undefined` for silence; the last for all that follow. */
function served(...says: readonly (boolean | undefined)[]): { readonly clock: ManualClock, readonly dns: LocalDns, readonly asked: number[], readonly moves: (readonly [number, boolean])[], went: boolean } {
  const clock = new ManualClock()
  const asked: number[] = []
  const moves: (readonly [number, boolean])[] = []
  const server = { clock, asked, moves, went: false, dns: undefined as unknown as LocalDns }
  server.dns = localDns({
    clock,
    probe: { ask: () => void asked.push(clock.now()), get answer() { return says[Math.min(asked.length, says.length) - 1] } },
    use: async (local) => void moves.push([clock.now(), local]),
    pause: async (ms, signal) => {
      if (server.went) {
        server.went = false
        return true
      }
      await clock.sleep(ms, { signal }).catch(() => undefined)
      return false
    },
  })
  return server
}

function localDns(options: Partial<LocalDnsOptions>): LocalDns {
  return new LocalDns({ isExpected: () => true, intervalMs, timeoutMs, logger: silentLogger, probe: undefined as never, use: undefined as never, pause: undefined as never, clock: undefined as never, ...options })
}

describe('LocalDns', () => {
  test('A7: a server that hangs right after an answer is left within a second', async () => {
    const { clock, dns, moves } = served(true, undefined)
    const stop = new AbortController()
    const ran = dns.run(stop.signal)
    await clock.advance(1000)
    expect(moves).toHaveLength(1)
    expect(moves[0]![1]).toBe(false)
    // The answer was at 0.
    expect(moves[0]![0]).toBeLessThan(2 * intervalMs + timeoutMs + 20)
    stop.abort()
    await ran
  })

  test('moves queries back after two answers', async () => {
    const { clock, dns, moves } = served(undefined, undefined, undefined, undefined, true)
    const ran = dns.run(never)
    await clock.advance(3000)
    expect(moves.map(([, local]) => local)).toEqual([false, true])
    void ran
  })

  test.each([['lost', undefined, true], ['refused', false, true]])('one answer that is %s moves nothing', async (_what, first, second) => {
    const { clock, dns, moves } = served(first, second)
    void dns.run(never)
    await clock.advance(3000)
    expect(moves).toEqual([])
  })

  test('one answer of a server that was left brings nothing back', async () => {
    const { clock, dns, moves } = served(false, false, true, false)
    void dns.run(never)
    await clock.advance(3000)
    expect(moves.map(([, local]) => local)).toEqual([false])
  })

  test('A7: a server that went is asked at once, not when it is due', async () => {
    const server = served(true, false)
    server.went = true
    void server.dns.run(never)
    await server.clock.advance(0)
    expect([server.asked, server.moves]).toEqual([[0, 0, 0], [[0, false]]])
  })

  test('a server that closed a connection and answers stays', async () => {
    const server = served(true)
    server.went = true
    void server.dns.run(never)
    await server.clock.advance(3000)
    expect(server.moves).toEqual([])
  })

  test('while nothing happens each interval has one question and one timer', async () => {
    const { asked, clock, dns } = served(true)
    void dns.run(never)
    await clock.advance(10 * intervalMs - 1)
    expect([asked.length, clock.sleeping]).toEqual([10, 1])
  })

  test('asks nobody where no server is expected', async () => {
    const clock = new ManualClock()
    const stop = new AbortController()
    let asked = 0
    const ran = localDns({ isExpected: () => false, clock, probe: { ask: () => void (asked += 1), answer: undefined } }).run(stop.signal)
    await clock.advance(1000)
    expect(asked).toBe(0)
    stop.abort()
    await ran
  })

  test.each([['not there', false], ['silent', undefined]])('begin() does not send the first queries to a server that is %s', async (_what, says) => {
    const { clock, dns, moves } = served(says)
    const begun = dns.begin(never)
    await clock.advance(1000)
    await begun
    expect([dns.isUsed, moves.map(([, local]) => local)]).toEqual([false, [false]])
  })

  test('leave() moves queries away before the agent exits, and does not wait for ever', async () => {
    const moves: boolean[] = []
    const ever = new Promise<void>(() => undefined)
    const dns = localDns({
      use: async (local) => {
        moves.push(local)
        await ever
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
    using probe = new DnsProbe({ port: server.address().port, name: 'a.cluster.local' })
    expect([await answerOf(probe), await answerOf(probe)]).toEqual([healthy, healthy])
    server.close()
  })

  test('an answer to an earlier question is none', async () => {
    const server = await listening()
    const queries: Buffer[] = []
    server.on('message', (query, peer) => {
      queries.push(query)
      if (queries.length < 2) return
      const late = Buffer.from(queries[0]!)
      late[2] = 0x81
      server.send(late, peer.port, peer.address)
    })
    using probe = new DnsProbe({ port: server.address().port, name: 'x' })
    probe.ask()
    await once(server, 'message')
    expect(await answerOf(probe, 50)).toBeUndefined()
    server.close()
  })

  test('silence is nothing, a closed port is no, and one that listens again is asked by the same socket', async () => {
    const silent = await listening()
    const { port } = silent.address()
    using probe = new DnsProbe({ port, name: 'x' })
    expect(await answerOf(probe, 50)).toBeUndefined()
    silent.close()
    await once(silent, 'close')
    probe.ask()
    expect(probe.answer, 'at once').toBe(false)
    probe.ask()
    const back = await listening(port)
    back.on('message', (query, peer) => {
      query[2] = 0x81
      back.send(query, peer.port, peer.address)
    })
    expect(await answerOf(probe)).toBe(true)
    back.close()
  })
})

async function answerOf(probe: DnsProbe, withinMs = 5000): Promise<boolean | undefined> {
  probe.ask()
  for (const end = performance.now() + withinMs; probe.answer === undefined && performance.now() < end;) await new Promise((resolve) => setTimeout(resolve, 2))
  return probe.answer
}

async function listening(port = 0): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}
