import { setTimeout as sleep } from 'node:timers/promises'
import type { ProgramStatus } from '../control/protocol.ts'
import { BoundedLog, type LogReadOptions, readLog } from './bounded-log.ts'
import { spawnCommand, type Spawned } from './command.ts'

export interface Program {
  /** E.g. `agent n1`. */
  readonly name: string
  readonly command: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  readonly logPath: string
}

/** A program that ran this long counts as well: its next crash is answered at once. */
const steadyMs = 10_000
const shortestWaitMs = 100
const longestWaitMs = 5000

/** Keeps a program running, as systemd or a DaemonSet's kubelet would. */
export class Supervisor {
  readonly #program: Program
  readonly #log: BoundedLog
  #child: Spawned | undefined
  #restarts = 0
  #lastEnd: string | undefined

  constructor(program: Program) {
    this.#program = program
    this.#log = new BoundedLog(program.logPath, { format: 'plain', maxBytes: 4 << 20 })
  }

  get status(): ProgramStatus {
    return { name: this.#program.name, pid: this.#child?.process.pid, restarts: this.#restarts, lastEnd: this.#lastEnd }
  }

  readLog(options: LogReadOptions): AsyncIterable<string> {
    return this.#log.read(options)
  }

  /** @throws {RangeError} While it is not running. */
  kill(): { readonly pid: number } {
    const pid = this.#child?.process.pid
    if (pid === undefined) throw new RangeError(`Cannot kill ${this.#program.name}: it is not running, ${this.#lastEnd ?? 'it was never started'}`)
    process.kill(pid, 'SIGKILL')
    return { pid }
  }

  /** Runs until aborted: starts the program again whenever it ends, at once first, then ever more slowly. */
  async run(signal: AbortSignal): Promise<void> {
    let waitMs = 0
    while (!signal.aborted) {
      const started = performance.now()
      this.#lastEnd = await this.#runOnce(signal)
      if (signal.aborted) return
      this.#log.write('stderr', `weft sandbox: ${this.#program.name} ${this.#lastEnd}\n`)
      this.#restarts++
      waitMs = performance.now() - started > steadyMs ? 0 : Math.min(longestWaitMs, Math.max(shortestWaitMs, waitMs * 2))
      await sleep(waitMs, undefined, { signal }).catch(() => undefined)
    }
  }

  async #runOnce(signal: AbortSignal): Promise<string> {
    const { command, environment } = this.#program
    const child = spawnCommand(command, { environment, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#log.take('stdout', child.process.stdout)
    this.#log.take('stderr', child.process.stderr)
    const { promise, resolve } = Promise.withResolvers<string>()
    child.process.once('error', (error) => resolve(`could not be started: ${error.message}`))
    child.process.once('exit', (code, cause) => {
      const words = lastWords(this.#program.logPath)
      resolve(cause === null ? `ended with code ${code ?? 'none'}${words === '' ? '' : `: ${words}`}` : `was ended by ${cause}`)
    })
    const onAbort = (): void => child.kill()
    signal.addEventListener('abort', onAbort, { once: true })
    const end = await promise
    signal.removeEventListener('abort', onAbort)
    this.#child = undefined
    return end
  }
}

/** What a program said last that sounds like a reason. */
function lastWords(logPath: string): string {
  const lines = readLog(logPath, { tail: 30 }).split('\n').filter((line) => line !== '' && !/^\s+at |^Node\.js v|^[{}]$|^[\s^]*$|^\s*throw |^\s*\w+: /.test(line))
  return (lines.findLast((line) => /error|cannot/i.test(line)) ?? lines.at(-1) ?? '').slice(0, 400)
}
