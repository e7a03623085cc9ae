import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SandboxClient } from './client.ts'
import type { LogRequest } from './protocol.ts'
import { type ControlPort, serveControl } from './server.ts'

let folder: string
let close: () => void
const refuse = (): never => {
  throw new RangeError('Cannot do it: the test has none')
}
async function* logs({ source, follow }: LogRequest, signal: AbortSignal): AsyncIterable<string> {
  if (source.kind !== 'init') throw new RangeError('Cannot find pod "default/nope": it runs on no node')
  if (follow === true) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  else yield* ['one\n', 'two\n']
}
const port: ControlPort = { status: refuse, shutdown: refuse, run: refuse, logs, killAgent: refuse, adminSocket: refuse, checkAttachment: refuse, enter: refuse }

beforeEach(async () => {
  folder = mkdtempSync(`${tmpdir()}/weft-control-`)
  close = await serveControl(`${folder}/control.sock`, port)
})
afterEach(() => {
  close()
  rmSync(folder, { recursive: true, force: true })
})

describe('serveControl()', () => {
  test('sends a log, and says why there is none', async () => {
    const client = new SandboxClient(folder)
    expect((await Array.fromAsync(client.logs({ source: { kind: 'init' } }))).join('')).toBe('one\ntwo\n')
    await expect(Array.fromAsync(client.logs({ source: { kind: 'pod', namespace: 'default', name: 'nope' } }))).rejects.toThrow('Cannot find pod "default/nope": it runs on no node')
  })

  test('a sandbox that is away is named with a remedy', async () => {
    close()
    await expect(new SandboxClient(folder).status()).rejects.toMatchObject({ code: 'ERR_SANDBOX_NOT_RUNNING', message: `Cannot reach the sandbox in "${folder}": it does not answer; \`./weft up\` starts a new one` })
  })

  test('input for a place that does not exist does not hide the refusal', async () => {
    const stdin = Readable.from(Array.from({ length: 50 }, () => Buffer.alloc(65_536)))
    await expect(new SandboxClient(folder).run({ kind: 'outside' }, ['cat'], { stdin })).rejects.toThrow('the test has none')
  })

  test('a log that is followed and has nothing to say ends with its reader', async () => {
    const reading = Array.fromAsync(new SandboxClient(folder).logs({ source: { kind: 'init' }, follow: true }, { signal: AbortSignal.timeout(100) }))
    await expect(reading).rejects.toThrow(/timeout|abort/)
  })
})
