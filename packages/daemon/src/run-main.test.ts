import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const here = fileURLToPath(new URL('.', import.meta.url))

interface Ending { readonly code: number | null, readonly lines: readonly { readonly msg: string, readonly signal?: string, readonly err?: { readonly message: string } }[], readonly stderr: string }

/** Runs `main` in a process of its own, sending it signals when it prints `ready`. */
async function run(main: string, signals: readonly NodeJS.Signals[] = []): Promise<Ending> {
  const program = `
    import { runMain } from ${JSON.stringify(`${here}run-main.ts`)}
    import { pinoLogger } from ${JSON.stringify(`${here}pino.ts`)}
    const ready = () => process.stderr.write('ready')
    const forever = (signal) => new Promise((_, reject) => { setInterval(() => {}, 1000); signal.addEventListener('abort', () => reject(signal.reason)) })
    const logger = pinoLogger({ name: 'test', level: 'info' })
    await runMain(logger, ${main})`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  const left = [...signals]
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
    const signal = left.shift()
    if (signal !== undefined) child.kill(signal)
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, lines: stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Ending['lines'][number]), stderr }
}

describe('runMain()', () => {
  test('ends with 0 when the work is done, although a timer is left (L1)', async () => {
    expect(await run('async () => { setInterval(() => {}, 1000) }')).toMatchObject({ code: 0, lines: [] })
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('%s aborts the signal; an orderly stop ends with 0 (L1)', async (name) => {
    const { code, lines } = await run('async (signal) => { ready(); await forever(signal) }', [name])
    expect([code, lines.map(({ msg, signal }) => [msg, signal])]).toEqual([0, [['stopping', name]]])
  })

  test('a second signal ends a program that does not stop (L1)', async () => {
    const { code } = await run(`async (signal) => { signal.addEventListener('abort', ready); ready(); await forever(new AbortController().signal) }`, ['SIGTERM', 'SIGTERM'])
    expect(code).toBe(143)
  })

  test.each([
    ['thrown by main', `async () => { throw new Error('no kernel') }`],
    ['thrown by a callback', `async (signal) => { setImmediate(() => { throw new Error('no kernel') }); await forever(signal) }`],
    ['rejected and handled by nobody', `async (signal) => { Promise.reject(new Error('no kernel')); await forever(signal) }`],
  ])('an error %s is one line and 1 (L2)', async (_kind, main) => {
    const { code, lines, stderr } = await run(main)
    expect(code).toBe(1)
    expect(lines).toMatchObject([{ msg: 'stopped by an error', err: { message: 'no kernel' } }])
    expect(stderr).toBe('')
  })

  test('the last lines before the end come all, and in their order (L2)', async () => {
    for (let turn = 0; turn < 5; turn++) {
      const { lines } = await run(`async () => { logger.info({}, 'one'); logger.info({}, 'two'); throw new Error('no kernel') }`)
      expect(lines.map(({ msg }) => msg)).toEqual(['one', 'two', 'stopped by an error'])
    }
  })

  test('an error while stopping is not taken for the stop (L2)', async () => {
    const { code, lines } = await run(`async (signal) => { ready(); await forever(signal).catch(() => { throw new Error('cannot close store') }) }`, ['SIGTERM'])
    expect([code, lines.map(({ msg }) => msg)]).toEqual([1, ['stopping', 'stopped by an error']])
  })
})
