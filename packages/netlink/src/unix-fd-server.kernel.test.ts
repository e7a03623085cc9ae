import { existsSync, mkdtempSync, openSync, readlinkSync, rmSync, statSync, writeFileSync, closeSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Deadlines, realClock } from '@weft/daemon'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { closeFd } from './netns.ts'
import { trackDescriptors } from './testing/index.ts'
import { UnixFdServer, sendWithFds } from './unix-fd-server.ts'
import type { FdRequest, UnixFdServerOptions } from './unix-fd-server.ts'

describe('UnixFdServer', () => {
  let folder: string
  let path: string
  let leaks: () => string[]

  beforeEach(async () => {
    leaks = await trackDescriptors()
    folder = mkdtempSync(join(tmpdir(), 'fds-'))
    path = join(folder, 'sock')
  })

  afterEach(() => {
    rmSync(folder, { recursive: true })
    // oxlint-disable-next-line vitest/no-standalone-expect -- the leak check belongs to every test
    expect(leaks()).toEqual([])
  })

  async function serving<T>(options: Partial<UnixFdServerOptions>, handle: (request: FdRequest) => Promise<void>, run: () => Promise<T>): Promise<T> {
    const server = UnixFdServer.listen({ path, deadlines: new Deadlines(realClock), ...options })
    const serve = async (): Promise<void> => {
      for await (const request of server) await handle(request)
    }
    const loop = serve()
    try {
      return await run()
    } finally {
      await server[Symbol.asyncDispose]()
      await loop
    }
  }

  const echo = async (request: FdRequest): Promise<void> => {
    await request.reply(request.data, request.fds)
    for (const fd of request.fds) closeFd(fd)
  }

  it('carries bytes and descriptors both ways and knows the peer', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, 'x')
    const fd = openSync(file, 'r')
    let peer: unknown
    const answer = await serving({}, async (request) => {
      peer = request.peer
      await echo(request)
    }, () => sendWithFds(path, Buffer.from('hello'), { fds: [fd, fd] }))
    expect(Buffer.from(answer.data).toString()).toBe('hello')
    expect(answer.fds.map((one) => readlinkSync(`/proc/self/fd/${one}`))).toEqual([file, file])
    expect(peer).toEqual({ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() })
    for (const one of answer.fds) closeFd(one)
    closeSync(fd)
  })

  it('takes the largest frame and many clients at once', async () => {
    const big = Buffer.alloc((1 << 20) - 1, 7)
    const sizes = await serving({}, echo, () => Promise.all(Array.from({ length: 20 }, async (_value, n) => (await sendWithFds(path, big.subarray(n))).data.length)))
    expect(sizes).toEqual(Array.from({ length: 20 }, (_value, n) => big.length - n))
  })

  it('makes its socket file for the owner only and removes it at the end', async () => {
    expect(await serving({}, echo, () => Promise.resolve(statSync(path).mode & 0o777))).toBe(0o600)
    expect(existsSync(path)).toBe(false)
  })

  it('listen() takes a stale socket file over and refuses a live one', async () => {
    await serving({}, echo, async () => {
      expect(() => UnixFdServer.listen({ path, deadlines: new Deadlines(realClock) })).toThrow('EADDRINUSE')
      await sendWithFds(path, Buffer.from('still there'))
    })
  })

  it.each([
    ['too large', Buffer.from('00100001', 'hex'), 'ERR_FRAME_TOO_LARGE'],
    ['cut short', Buffer.from('0000000561', 'hex'), 'ERR_FRAME_CUT_SHORT'],
  ])('closes a connection whose frame is %s and tells why', async (_name, bytes, code) => {
    const faults: unknown[] = []
    await serving({ onFault: (error) => faults.push(error) }, echo, async () => {
      const client = connect(path)
      client.end(bytes)
      await new Promise((resolve) => client.on('close', resolve).on('error', resolve).resume())
      await sendWithFds(path, Buffer.from('others are served'))
    })
    expect(faults).toMatchObject([{ code }])
  })

  it('closes a connection that is too slow', async () => {
    const faults: unknown[] = []
    await serving({ deadlineMs: 20, onFault: (error) => faults.push(error) }, echo, async () => {
      const client = connect(path)
      client.write(Buffer.from('0000', 'hex'))
      await new Promise((resolve) => client.on('close', resolve).on('error', resolve).resume())
    })
    expect(faults).toMatchObject([{ code: 'ERR_FRAME_TIMEOUT' }])
  })

  it('closes descriptors beyond the allowed number', async () => {
    const fd = openSync(folder, 'r')
    const faults: unknown[] = []
    await serving({ maxFds: 2, onFault: (error) => faults.push(error) }, echo, () => expect(sendWithFds(path, Buffer.from('x'), { fds: [fd, fd, fd] })).rejects.toThrow('Cannot'))
    expect(faults).toMatchObject([{ code: 'ERR_FRAME_TOO_MANY_DESCRIPTORS' }])
    closeSync(fd)
  })

  it('more clients than maxConnections wait their turn', async () => {
    const answers = await serving({ maxConnections: 2 }, echo, () => Promise.all(Array.from({ length: 10 }, (_value, n) => sendWithFds(path, Buffer.from([n])))))
    expect(answers.map(({ data }) => data[0])).toEqual(Array.from({ length: 10 }, (_value, n) => n))
  })

  it('sendWithFds() gives up with its signal', async () => {
    const silent = (): Promise<void> => Promise.resolve()
    await serving({}, silent, () => expect(sendWithFds(path, Buffer.from('x'), { signal: AbortSignal.timeout(20) })).rejects.toThrow('timeout'))
  })
})
