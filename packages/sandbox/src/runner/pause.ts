import { Readable } from 'node:stream'
import { inNetworkOf, type Spawned, spawnCommand } from '../inside/command.ts'
import { SandboxError } from '../errors.ts'

/** The process that holds a pod's uts, ipc and pid namespaces; its end ends every container. */
export interface Pause {
  /** Number in the sandbox's pid namespace, for `nsenter -t`. */
  readonly pid: number
  readonly ended: Promise<void>
  /** Ends it, and with it all processes of the pod; resolves when they are gone. */
  stop(): Promise<void>
}

// The number is asked of the shell itself, before it has a /proc of its own: /proc/self names it as the reader sees it.
const script = 'read -r pid rest </proc/self/stat; hostname "$1"; echo "$pid" >&3; exec 3>&-; exec sleep infinity'

/** Starts the pause of a pod in its network namespace. */
export async function startPause(netns: string, hostname: string): Promise<Pause> {
  const spawned = spawnCommand(inNetworkOf(netns, ['unshare', '--uts', '--ipc', '--pid', '--fork', '--kill-child=KILL', 'sh', '-c', script, 'sh', hostname]), {
    environment: toolEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  spawned.process.once('exit', () => resolve()).once('error', () => resolve())
  const pid = await readStartedPid(spawned)
  return {
    pid,
    ended,
    stop: async () => {
      // The pause itself first: as PID 1 it takes all of its namespace along.
      killQuietly(pid)
      spawned.kill()
      await ended
    },
  }
}

/**
 * Reads the number that a start script writes to descriptor 3 when all is mounted and named.
 *
 * @throws {SandboxError} `ERR_SANDBOX_POD` with standard error when the script ended before.
 */
export async function readStartedPid(spawned: Spawned): Promise<number> {
  const pipe = spawned.process.stdio[3]
  if (!(pipe instanceof Readable)) throw new SandboxError('ERR_SANDBOX_POD', 'Cannot start the process: it has no descriptor 3')
  let text = ''
  // To the line's end only: `nsenter` and `unshare` before the script hold the pipe open as long as they live.
  for await (const chunk of pipe) {
    text += String(chunk)
    if (text.endsWith('\n')) return Number(text)
  }
  let errors = ''
  if (spawned.process.stderr?.readable === true && !spawned.process.stderr.isPaused()) for await (const chunk of spawned.process.stderr) errors += String(chunk)
  throw new SandboxError('ERR_SANDBOX_POD', `Cannot start the process: ${errors.trim() || 'it ended at once'}`)
}

/** What tools of the sandbox see; never a pod's own variables. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C' }
}

export function killQuietly(pid: number, signal: NodeJS.Signals = 'SIGKILL'): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}
