import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'

/** A process of the sandbox and what it started. */
export interface Spawned {
  readonly process: ChildProcess
  /** SIGKILLs it with everything that is in its process group still. */
  kill(): void
}

export interface SpawnOptions {
  /** Of the new process and of the `nsenter` before it; nothing is inherited. */
  readonly environment: NodeJS.ProcessEnv
  /** @default standard input, output and error as pipes */
  readonly stdio?: StdioOptions | undefined
}

/** Starts a command in a process group of its own. Tools are found by the PATH of the sandbox, not of the command. */
export function spawnCommand(command: readonly string[], { environment, stdio = 'pipe' }: SpawnOptions): Spawned {
  const child = spawn(command[0]!, command.slice(1), { env: environment, stdio, detached: true, cwd: '/' })
  // Listeners come later; until then a failure to start must not end the sandbox.
  child.on('error', () => undefined)
  // Its pipes are sockets: a command that ends with input unread resets them, after its output was read.
  for (const stream of child.stdio) stream?.on('error', () => undefined)
  return {
    process: child,
    kill: () => {
      if (child.pid === undefined) return
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // Gone already.
      }
    },
  }
}

/** Puts a command into a network namespace; `nsenter` becomes the command, it costs no process. */
export function inNetworkOf(netns: string | undefined, command: readonly string[]): readonly string[] {
  return netns === undefined ? command : ['nsenter', `--net=${netns}`, '--', ...command]
}

/** All output of a command that ends by itself. */
export async function collectOutput(spawned: Spawned, options: { readonly stdin?: string | undefined, readonly signal?: AbortSignal | undefined } = {}): Promise<{ readonly code: number, readonly stdout: string, readonly stderr: string }> {
  const { process: child } = spawned
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  const onAbort = (): void => {
    spawned.kill()
    reject(options.signal?.reason)
  }
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk))
  child.once('error', reject).once('close', (code) => resolve(code ?? 137))
  // A command that does not read its input is no fault.
  child.stdin?.on('error', () => undefined).end(options.stdin ?? '')
  options.signal?.addEventListener('abort', onAbort, { once: true })
  try {
    if (options.signal?.aborted === true) onAbort()
    const code = await promise
    return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
  }
}
