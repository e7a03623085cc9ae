import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { AdminDoor } from '@weft/api'
import type { Ask, AskAnswer } from '../probe/question.ts'
import { codeOf, SandboxError, messageOf } from '../errors.ts'
import { stateFolder, type StateFolder } from '../host/state-folder.ts'
import {
  type AdminProgram, decodeFrames, type EnterAnswer, type LogRequest, type PodTarget, type RunExit, type RunRequest, runHeader, type SandboxStatus, type Target,
} from './protocol.ts'

// A static import would load Node's fetch too: see daemon's http-server.ts.
const { request } = process.getBuiltinModule('node:http')

export interface RunOptions {
  readonly stdin?: string | Uint8Array | Readable | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with output as it comes; it is then not collected. */
  readonly onStdout?: ((data: Buffer) => void) | undefined
  readonly onStderr?: ((data: Buffer) => void) | undefined
}

export interface RunResult {
  /** Exit code; 128 + n for a signal. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

interface CallOptions {
  readonly body?: string | Uint8Array | Readable | undefined
  readonly headers?: Record<string, string> | undefined
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

/**
 * Talks to a running sandbox over its control socket.
 *
 * Every method throws `SandboxError`: `ERR_SANDBOX_NOT_RUNNING` when nobody answers, `ERR_SANDBOX_CONTROL` when the
 * sandbox refuses.
 */
export class SandboxClient {
  readonly #folder: StateFolder

  constructor(stateDir: string) {
    this.#folder = stateFolder(stateDir)
  }

  get kubeconfigPath(): string {
    return this.#folder.kubeconfig
  }

  async status(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<SandboxStatus> {
    return await this.#json<SandboxStatus>('GET', '/status', options)
  }

  /** Asks for an orderly end. @returns False if nobody took the order in time. */
  async shutdown(timeoutMs: number): Promise<boolean> {
    try {
      await this.#json('POST', '/shutdown', { timeoutMs })
      return true
    } catch {
      return false
    }
  }

  /** Runs a command in a container, with the container's environment. */
  async exec(pod: PodTarget, command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return await this.run({ kind: 'pod', ...pod }, command, options)
  }

  /** Runs a command of the machine in a node's network namespace. */
  async onNode(node: string, command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return await this.run({ kind: 'node', node }, command, options)
  }

  /** Runs a command of the machine as the client outside the cluster. */
  async outside(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return await this.run({ kind: 'outside' }, command, options)
  }

  /** Runs a command anywhere; see {@link Target}. */
  async run(target: Target, command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const run: RunRequest = { target, command }
    const answer = await this.#call('POST', '/run', {
      body: options.stdin ?? '',
      headers: { [runHeader]: Buffer.from(JSON.stringify(run)).toString('base64url') },
      signal: options.signal,
    })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    for await (const { kind, data } of decodeFrames(answer as AsyncIterable<Buffer>)) {
      if (kind === 'stdout') (options.onStdout ?? ((chunk: Buffer) => void stdout.push(chunk)))(data)
      else if (kind === 'stderr') (options.onStderr ?? ((chunk: Buffer) => void stderr.push(chunk)))(data)
      else {
        const exit: RunExit = JSON.parse(data.toString())
        if (exit.error !== undefined) throw new SandboxError('ERR_SANDBOX_CONTROL', `Cannot run "${command.join(' ')}": ${exit.error}`)
        return { code: exit.code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
      }
    }
    throw new SandboxError('ERR_SANDBOX_CONTROL', `Cannot run "${command.join(' ')}": the sandbox went away meanwhile`)
  }

  /** Performs asks from one place, all in one process; answers come in the order of the asks. */
  async ask(target: Target, asks: readonly Ask[], options: { readonly signal?: AbortSignal | undefined } = {}): Promise<readonly AskAnswer[]> {
    const { code, stdout, stderr } = await this.run(target, ['weft-probe', 'ask'], { stdin: JSON.stringify(asks), signal: options.signal })
    if (code !== 0) throw new SandboxError('ERR_SANDBOX_CONTROL', `Cannot ask from "${JSON.stringify(target)}": the probe ended with code ${code}: ${stderr.trim()}`)
    return JSON.parse(stdout)
  }

  /** A log as text, in pieces as they come. */
  async* logs(log: LogRequest, options: { readonly signal?: AbortSignal | undefined } = {}): AsyncIterable<string> {
    const answer = await this.#call('GET', `/logs?request=${encodeURIComponent(JSON.stringify(log))}`, options)
    answer.setEncoding('utf8')
    for await (const chunk of answer) yield String(chunk)
  }

  /** SIGKILLs the agent of a node; its supervisor starts another. */
  async killAgent(node: string): Promise<{ readonly pid: number }> {
    return await this.#json('POST', `/agents/${node}/kill`, {})
  }

  /**
   * The way to the admin socket of a program, for `adminClient`.
   *
   * @param where A node's name, or `cluster` for the controller.
   */
  admin(program: AdminProgram, where: string): AdminDoor {
    return async ({ method, path }, options) => await readText(await this.#call(method, `/${program}/${where}/admin${path}`, { ...options, ...(method === 'POST' ? { body: '{}', headers: { 'content-type': 'application/json' } } : {}) }))
  }

  /** CNI CHECK of a pod's attachment. @throws {SandboxError} With the plugin's message when it fails. */
  async checkAttachment(pod: PodTarget): Promise<void> {
    await this.#json('POST', `/attachments/check?namespace=${pod.namespace}&name=${pod.name}`, {})
  }

  /** How to enter a place from the host, below `nsenter -t <init>`; see host/interactive.ts. */
  async enter(target: Target): Promise<EnterAnswer> {
    return await this.#json('GET', `/enter?target=${encodeURIComponent(JSON.stringify(target))}`, {})
  }

  async #json<T>(method: string, path: string, options: CallOptions): Promise<T> {
    return JSON.parse(await readText(await this.#call(method, path, options)))
  }

  async #call(method: string, path: string, options: CallOptions): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const signals = [options.signal, options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs)].filter((signal) => signal !== undefined)
    const call = request({ socketPath: this.#folder.controlSocket, method, path, headers: options.headers ?? {}, agent: false, ...(signals.length > 0 ? { signal: AbortSignal.any(signals) } : {}) })
    call.once('response', resolve).on('error', reject)
    if (options.body instanceof Readable) {
      // Headers go at once: the command starts before its input comes.
      call.flushHeaders()
    } else {
      call.end(options.body)
    }
    let answer: IncomingMessage
    try {
      answer = await promise
    } catch (error) {
      if (options.signal?.aborted === true) throw options.signal.reason
      // Without a cause: the message has all of it, and causes are printed too.
      throw new SandboxError('ERR_SANDBOX_NOT_RUNNING', `Cannot reach the sandbox in "${this.#folder.root}": ${unreachable(error)}`)
    }
    if ((answer.statusCode ?? 500) < 300) {
      // Not earlier: input sent to a place that does not exist would break the connection before the refusal is read.
      if (options.body instanceof Readable) options.body.pipe(call)
      return answer
    }
    answer.once('end', () => call.destroy())
    throw new SandboxError('ERR_SANDBOX_CONTROL', (await readText(answer)).trim())
  }
}

function unreachable(error: unknown): string {
  return ['ENOENT', 'ECONNREFUSED'].includes(codeOf(error) ?? '') ? 'it does not answer; `./weft up` starts a new one' : messageOf(error)
}

async function readText(answer: IncomingMessage): Promise<string> {
  answer.setEncoding('utf8')
  let text = ''
  for await (const chunk of answer) text += String(chunk)
  return text
}
