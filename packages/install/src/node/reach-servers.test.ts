import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { reachServers } from './reach-servers.ts'

describe('reachServers()', () => {
  let server: Server
  let url: string

  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(() => {
    server.close()
  })

  test('a server that takes the connection is fine', async () => {
    expect(await reachServers([url])).toEqual({ name: 'api-servers', level: 'ok', detail: `${url} can be reached` })
  })

  test('one that nobody reaches is refused, with what was seen and what to do', async () => {
    server.close()
    await once(server, 'close')
    expect(await reachServers([url])).toMatchObject({ level: 'fail', detail: `no answer from ${url} (ECONNREFUSED)`, remedy: expect.stringContaining('apiServers: [https://ADDRESS:PORT]') as unknown })
  })

  test('one of several is told', async () => {
    expect(await reachServers([url, 'https://[::1]:1'])).toMatchObject({ level: 'warn', detail: expect.stringMatching(/^no answer from https:\/\/\[::1\]:1 \(E\w+\)$/) as unknown })
  })
})
