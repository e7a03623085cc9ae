import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { request } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { durationMs, portFlag, readFlags } from './arguments.ts'
import { performAsks } from './ask.ts'
import { createHttpServer, type HttpHandler } from './http-server.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listening(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return (address !== null && typeof address === 'object' ? address : ({ port: 0 } satisfies Partial<AddressInfo>)).port
}

const serve = (handler: HttpHandler): Promise<number> => listening(createHttpServer(handler))

describe('createHttpServer()', () => {
  test('keeps a connection for several requests, and reads chunked bodies', async () => {
    const port = await serve(async ({ body, method, url, socket }) => {
      let text = ''
      for await (const chunk of body) text += String(chunk)
      return { body: `${method} ${url.pathname} ${text} ${socket.remotePort}` }
    })
    const { Agent } = await import('node:http')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const call = (path: string, chunks: readonly string[]): Promise<string> => new Promise((resolve, reject) => {
      const outgoing = request({ port, host: '127.0.0.1', path, method: 'POST', agent }, (answer) => {
        answer.setEncoding('utf8')
        let text = ''
        answer.on('data', (chunk: string) => (text += chunk)).on('end', () => resolve(text))
      })
      outgoing.on('error', reject)
      for (const chunk of chunks) outgoing.write(chunk)
      outgoing.end()
    })
    const [first, second] = [await call('/a', ['x', 'yz']), await call('/b', [])]
    expect(first).toMatch(/^POST \/a xyz \d+$/)
    expect(second.split(' ').at(-1)).toBe(first.split(' ').at(-1))
    agent.destroy()
  })

  test('answers garbage with 400 and lives on', async () => {
    const port = await serve(() => ({ body: 'fine' }))
    const { connect } = await import('node:net')
    const answer = await new Promise<string>((resolve) => connect(port, '127.0.0.1').setEncoding('utf8').on('data', resolve).end('garbage\r\n\r\n'))
    expect(answer).toContain('400')
    expect((await performAsks([{ kind: 'http', host: '127.0.0.1', port }]))[0]!.answers).toEqual(['fine'])
  })
})

describe('performAsks()', () => {
  test('tells refused, silent and failing peers apart, in the order of the asks', async () => {
    const silent = await listening(createTcpServer(() => undefined))
    const failing = await serve(() => ({ body: 'no', status: 500 }))
    const closed = await serve(() => ({ body: '' }))
    servers.pop()!.close()
    const answers = await performAsks([
      { kind: 'http', host: '127.0.0.1', port: silent, timeoutMs: 100 },
      { kind: 'http', host: '127.0.0.1', port: failing },
      { kind: 'tcp', host: '127.0.0.1', port: closed },
      { kind: 'udp', host: '127.0.0.1', port: silent, timeoutMs: 100 },
      { kind: 'dns', name: 'localhost', type: 'lookup' },
    ])
    expect(answers.map(({ error }) => error)).toEqual(['TIMEOUT', 'OTHER', 'REFUSED', 'REFUSED', undefined])
    expect(answers[0]!.ms).toBeGreaterThanOrEqual(95)
  })

  test('repeats an ask, each time on a connection of its own', async () => {
    const port = await serve(({ socket }) => ({ body: String(socket.remotePort) }))
    const [answer] = await performAsks([{ kind: 'http', host: '127.0.0.1', port, count: 5 }])
    expect(new Set(answer!.answers).size).toBe(5)
  })

  test('counts what a load loses', async () => {
    let seen = 0
    const port = await serve(() => ({ body: 'me', status: 200, ...(++seen % 5 === 0 ? { headers: { 'X-Late': '1' } } : {}) }))
    const [answer] = await performAsks([{ kind: 'load', protocol: 'http', host: '127.0.0.1', port, rate: 200, durationMs: 100 }])
    const report: { sent: number, answered: number, servers: Record<string, number> } = JSON.parse(answer!.answers[0]!)
    expect(report).toMatchObject({ sent: 20, answered: 20, servers: { me: 20 } })
  })
})

describe('arguments', () => {
  test('readFlags() reads both forms and ignores unknown flags', () => {
    expect(readFlags(['--http-port=80', '--udp-port', '81', '--unknown', 'host:1'], ['http-port', 'udp-port']).values).toMatchObject({ 'http-port': '80', 'udp-port': '81' })
    expect(readFlags(['host:1', '--timeout=2s'], ['timeout']).positionals).toEqual(['host:1'])
  })

  test('durationMs() reads Go durations', () => {
    expect(['1s', '500ms', '1m30s', '1.5s', '', '5', 'x'].map(durationMs)).toEqual([1000, 500, 90_000, 1500, undefined, undefined, undefined])
  })

  test('portFlag() falls back', () => {
    expect([portFlag('-1', 5), portFlag(undefined, 5), portFlag('x', 5)]).toEqual([-1, 5, 5])
  })
})
