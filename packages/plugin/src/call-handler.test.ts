import { fstatSync, mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Counter, createRegistry, Histogram } from '@weft/daemon'
import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CallHandler } from './call-handler.ts'
import { type CallFrame, encodeCall } from './frame.ts'
import { Spool, writeSpool } from './spool.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-spool-'))
})
afterEach(() => rm(folder, { recursive: true }))

function call(command: string, containerId = 'a'): CallFrame {
  const environment = new Map(Object.entries({ CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_IFNAME: 'eth0', CNI_NETNS: '/nowhere' }))
  return { environment, stdin: Buffer.from(JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' })) }
}

function handler(del: () => Promise<void>): CallHandler<undefined> {
  const unasked = (): never => {
    throw new Error('nobody asks')
  }
  const registry = createRegistry()
  return new CallHandler({
    verbs: { readConfig: () => undefined, add: unasked, answered: unasked, check: unasked, del, gc: unasked, status: unasked },
    metrics: {
      verbs: new Counter({ name: 'verbs', help: 'x', labelNames: ['verb', 'result'], registers: [registry] }), seconds: new Histogram({ name: 'seconds', help: 'x', labelNames: ['verb'], registers: [registry] }),
      spooled: new Counter({ name: 'spooled', help: 'x', registers: [registry] }),
    },
    spool: new Spool(folder), timeoutMs: 1000, clock: new ManualClock(), logger: silentLogger, signal: new AbortController().signal,
  })
}

describe('CallHandler', () => {
  it('replay() keeps a DEL that fails, whatever the error, until it succeeds (H3)', async () => {
    writeSpool(folder, '1', encodeCall(call('DEL')))
    let error: Error | undefined = new Error('the kernel said EIO')
    const calls = handler(() => error === undefined ? Promise.resolve() : Promise.reject(error))
    expect([...await calls.replay()]).toEqual(['a'])
    expect(readdirSync(folder)).toEqual(['1.del'])
    error = undefined
    expect([...await calls.replay()]).toEqual([])
    expect(readdirSync(folder)).toEqual([])
  })

  it('replay() removes what is no call, no valid one, or no DEL', async () => {
    writeFileSync(join(folder, '1.del'), 'x')
    writeSpool(folder, '2', encodeCall(call('DEL', '../x')))
    writeSpool(folder, '3', encodeCall(call('ADD')))
    await handler(() => Promise.resolve()).replay()
    expect(readdirSync(folder)).toEqual([])
  })

  it('ADD closes its descriptors when the spool cannot be read', async () => {
    mkdirSync(join(folder, '1.del'))
    const fds = [openSync('/dev/null', 'r'), openSync('/dev/null', 'r')]
    expect(await handler(() => Promise.resolve()).handle(call('ADD'), fds)).toMatchObject({ exitCode: 1 })
    for (const fd of fds) expect(() => fstatSync(fd)).toThrow('EBADF')
  })

  it('ADD waits for a DEL of the same container that stays in the spool (H3)', async () => {
    writeSpool(folder, '1', encodeCall(call('DEL')))
    const { exitCode, stdout } = await handler(() => Promise.reject(new Error('EIO'))).handle(call('ADD'), [])
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([1, { code: 11 }])
  })
})
