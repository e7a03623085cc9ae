import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AdminOptions, serveAdmin } from './admin-server.ts'
import { allReady } from './readiness.ts'
import { Counter, createRegistry } from './registry.ts'
import { collectingLogger } from './testing/loggers.ts'

let folder: string
let path: string
let logger: ReturnType<typeof collectingLogger>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-admin-'))
  path = join(folder, 'admin.sock')
  logger = collectingLogger()
})

afterEach(async () => await rm(folder, { recursive: true }))

function optionsOf(more: Partial<AdminOptions> = {}): AdminOptions {
  return { listen: { path }, registry: createRegistry(), ready: () => allReady({}), logger, ...more }
}

interface Reply { readonly status: number, readonly body: string, readonly type: string | undefined }

interface Question { readonly method?: string, readonly body?: string, readonly type?: string, readonly to?: object }

async function ask(url: string, { method = 'GET', body, type = 'application/json', to = { socketPath: path } }: Question = {}): Promise<Reply> {
  return await new Promise((resolve, reject) => {
    const call = request({ ...to, path: url, method, headers: body === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve({ status: response.statusCode!, body: text, type: response.headers['content-type'] }))
    })
    call.on('error', reject)
    call.end(body)
  })
}

describe('serveAdmin()', () => {
  test('answers health, readiness and metrics (D1)', async () => {
    let synced = false
    const registry = createRegistry()
    new Counter({ name: 'weft_test_total', help: 'A test.', registers: [registry] }).inc(3)
    await using _server = await serveAdmin(optionsOf({ registry, ready: () => allReady({ store: synced, kernel: true, address: false }) }))
    expect(await ask('/healthz')).toMatchObject({ status: 200, body: 'ok\n' })
    expect(await ask('/readyz')).toMatchObject({ status: 503, body: 'waiting for store\nwaiting for address\n' })
    synced = true
    expect(await ask('/readyz')).toMatchObject({ status: 503, body: 'waiting for address\n' })
    const metrics = await ask('/metrics')
    expect(metrics.body).toContain('weft_test_total 3')
    expect(metrics.type).toContain('text/plain; version=0.0.4')
  })

  test('is ready when everything is (D1)', async () => {
    await using _server = await serveAdmin(optionsOf({ ready: () => allReady({ store: true }) }))
    expect(await ask('/readyz')).toMatchObject({ status: 200, body: 'ok\n' })
  })

  test('routes answer text or JSON, and take JSON by POST (D2)', async () => {
    await using _server = await serveAdmin(optionsOf({ routes: { '/dump': () => 'table inet weft\n', '/status': (url) => ({ node: url.searchParams.get('node') }), '/echo': async (_url, body) => ({ body }), '/nothing': () => undefined } }))
    expect(await ask('/dump')).toEqual({ status: 200, body: 'table inet weft\n', type: 'text/plain; charset=utf-8' })
    expect(await ask('/status?node=a')).toEqual({ status: 200, body: '{"node":"a"}', type: 'application/json' })
    expect(await ask('/echo', { method: 'POST', body: '{"x":[1]}' })).toMatchObject({ status: 200, body: '{"body":{"x":[1]}}' })
    expect(await ask('/nothing')).toMatchObject({ status: 200, body: 'null' })
  })

  test('refuses what it does not serve (D2)', async () => {
    await using _server = await serveAdmin(optionsOf({ routes: { '/echo': (_url, body) => body } }))
    expect(await ask('/')).toMatchObject({ status: 404 })
    expect(await ask('/__proto__')).toMatchObject({ status: 404 })
    expect(await ask('/healthz', { method: 'POST', body: '{}' })).toMatchObject({ status: 405 })
    expect(await ask('/echo', { method: 'DELETE' })).toMatchObject({ status: 405 })
    expect(await ask('/echo', { method: 'POST', body: '{}', type: 'text/plain' })).toMatchObject({ status: 415 })
    expect(await ask('/echo', { method: 'POST', body: '{' })).toMatchObject({ status: 400 })
    expect(await ask('/echo', { method: 'POST', body: `"${'x'.repeat(1_048_576)}"` })).toMatchObject({ status: 400, body: 'Cannot read request body: more than 1048576 bytes\n' })
    expect(logger.lines).toEqual([])
  })

  test('a route that throws is a 400 for bad input, a logged 500 otherwise, and the server goes on (D2)', async () => {
    const routes = {
      '/bad': () => {
        throw new SyntaxError('Cannot parse network "x"')
      },
      '/broken': async () => await Promise.reject(new Error('disk is gone')),
    }
    await using _server = await serveAdmin(optionsOf({ routes }))
    expect(await ask('/bad')).toMatchObject({ status: 400, body: 'Cannot parse network "x"\n' })
    expect(logger.lines).toEqual([])
    expect(await ask('/broken')).toMatchObject({ status: 500, body: 'disk is gone\n' })
    expect(logger.lines).toMatchObject([{ level: 'warn', message: 'admin request failed', fields: { path: '/broken' } }])
    expect(await ask('/healthz')).toMatchObject({ status: 200 })
  })

  test('the socket belongs to its owner alone, whatever the mask, and goes with the server (D3)', async () => {
    const mask = process.umask(0)
    try {
      await using _server = await serveAdmin(optionsOf())
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      expect(process.umask()).toBe(0)
    } finally {
      process.umask(mask)
    }
    await expect(stat(path)).rejects.toThrow('ENOENT')
  })

  test('replaces the socket of a killed process (D3)', async () => {
    spawnSync(process.execPath, ['-e', `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`])
    expect((await stat(path)).isSocket()).toBe(true)
    await using _server = await serveAdmin(optionsOf())
    expect(await ask('/healthz')).toMatchObject({ status: 200 })
  })

  test('takes neither a living socket nor a file away (D3)', async () => {
    {
      await using _first = await serveAdmin(optionsOf())
      await expect(serveAdmin(optionsOf())).rejects.toMatchObject({ code: 'ERR_ADMIN_LISTEN', message: `Cannot listen on address "${path}": another process answers there, wanted a free path` })
      expect(await ask('/healthz')).toMatchObject({ status: 200 })
    }
    await writeFile(path, 'mine')
    await expect(serveAdmin(optionsOf())).rejects.toMatchObject({ code: 'ERR_ADMIN_LISTEN', message: expect.stringContaining('a file that is no socket is there') })
  })

  test('listens on TCP at a port of the kernel, for reading only (D2)', async () => {
    await using server = await serveAdmin(optionsOf({ listen: { host: '127.0.0.1', port: 0 }, routes: { '/echo': (_url, body) => body ?? 'read' } }))
    expect(await ask('/echo', { to: server.listen })).toMatchObject({ status: 200, body: 'read' })
    expect(await ask('/echo', { to: server.listen, method: 'POST', body: '{}' })).toMatchObject({ status: 405 })
  })

  test('says why it cannot listen', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address() as { readonly port: number }
    try {
      await expect(serveAdmin(optionsOf({ listen: { host: '127.0.0.1', port: address.port } }))).rejects.toMatchObject({ code: 'ERR_ADMIN_LISTEN', message: expect.stringContaining('EADDRINUSE') })
    } finally {
      taken.close()
    }
    await expect(serveAdmin(optionsOf({ listen: { path: join(folder, 'absent', 'a.sock') } }))).rejects.toMatchObject({ code: 'ERR_ADMIN_LISTEN' })
  })

  test('ends at once although a client holds a connection open (D4)', async () => {
    const server = await serveAdmin(optionsOf())
    const client = connect(path)
    const closed = new Promise<void>((resolve) => client.on('close', () => resolve()).on('error', () => {}))
    await new Promise<void>((resolve) => client.on('connect', resolve))
    client.write('GET /healthz HTTP/1.1\r\n')
    // Until it has seen the client: requests are served in order of arrival.
    await ask('/healthz')
    await server[Symbol.asyncDispose]()
    await closed
    expect(client.closed).toBe(true)
  })
})
