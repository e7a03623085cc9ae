import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import type { RunResult } from '../cluster.ts'

interface RunOptions {
  readonly stdin?: string | undefined
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs a program of this machine to its end.
 *
 * @throws {Error} When it could not be started, or the time was up.
 */
export async function runCommand([file, ...args]: readonly string[], { stdin, timeoutMs, signal }: RunOptions = {}): Promise<RunResult> {
  const signals = [signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)].filter((each) => each !== undefined)
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'pipe'], signal: AbortSignal.any(signals), killSignal: 'SIGKILL' })
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 128))
  })
  // A command that does not read its input is no failure.
  child.stdin.on('error', () => undefined)
  child.stdin.end(stdin ?? '')
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, stdout, stderr }
}
