import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { inNetworkOf, type Spawned, spawnCommand } from '../inside/command.ts'
import type { BoundedLog } from '../inside/bounded-log.ts'
import { privilegeArguments } from './capabilities.ts'
import { formatFstab, type Mount } from './fstab.ts'
import { killQuietly, readStartedPid, toolEnvironment } from './pause.ts'
import type { Container } from './pod-object.ts'

export interface ContainerPlan {
  readonly container: Container
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Network namespace of the pod. */
  readonly netns: string
  readonly pausePid: number
  /** The container's folder on the sandbox's tmpfs; has `run` and `tmp`. */
  readonly folder: string
  readonly root: string
  /** In order; targets as seen from outside. */
  readonly mounts: readonly Mount[]
  readonly log: BoundedLog
}

interface ContainerEnd {
  /** Exit code; 128 + n for a signal. */
  readonly code: number
}

/** A container that runs. */
export interface ContainerProcess {
  /** Its PID 1 as the sandbox sees it. */
  readonly pid: number
  /** On the clock of `performance.now()`. */
  readonly startedAt: number
  readonly ended: Promise<ContainerEnd>
  /** @returns False if it is gone. */
  signal(signal: NodeJS.Signals): boolean
  /** Whether it has a handler for a signal; undefined if it is gone. */
  hears(signal: NodeJS.Signals): boolean | undefined
  /** A further command in it, with its environment and rights. */
  exec(command: readonly string[]): Spawned
  /** What {@link ContainerProcess.exec} would run. */
  execCommand(command: readonly string[]): readonly string[]
}

// Descriptor 3 is written when every mount stands: what fails after it is the container's own failure.
const script = `
read -r pid rest </proc/self/stat
"$1" -a -T "$2" || exit 125
echo "$pid" >&3
exec 3>&-
shift 2
exec "$@"`

/**
 * Starts a container: its own pid namespace below the pause's, its own mount namespace, chrooted into its root.
 *
 * @throws {SandboxError} `ERR_SANDBOX_POD` if a mount or namespace was refused.
 */
export async function startContainer(plan: ContainerPlan): Promise<ContainerProcess> {
  const { container, folder, root, pausePid } = plan
  mkdirSync(folder, { recursive: true })
  const fstab = `${folder}/fstab`
  writeFileSync(fstab, formatFstab(plan.mounts))
  const enter = [...rights(plan), ...assignments(plan, container.workingDir), ...plan.command]
  const spawned = spawnCommand(inNetworkOf(plan.netns, [
    'nsenter', '-t', String(pausePid), '--uts', '--ipc', '--pid', '--',
    'unshare', '--mount', '--pid', '--fork', '--kill-child=KILL',
    'sh', '-c', script, 'sh', 'mount', fstab, 'chroot', root, ...enter,
  ]), { environment: toolEnvironment(), stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })

  const { promise: ended, resolve } = Promise.withResolvers<ContainerEnd>()
  spawned.process.once('exit', (code, signal) => resolve({ code: code ?? 128 + signalNumber(signal) }))
  plan.log.take('stdout', spawned.process.stdout)
  plan.log.take('stderr', spawned.process.stderr)
  const pid = await readStartedPid(spawned)
  const execCommand = (command: readonly string[]): readonly string[] => [
    'nsenter', '-t', String(pid), '--mount', '--uts', '--ipc', '--net', '--pid', '--root', '--wd', '--', ...rights(plan), ...assignments(plan), ...command,
  ]
  return {
    pid,
    startedAt: performance.now(),
    ended,
    signal: (signal) => killQuietly(pid, signal),
    hears: (signal) => hasHandler(pid, signal),
    exec: (command) => spawnCommand(execCommand(command), { environment: toolEnvironment() }),
    execCommand,
  }
}

function rights({ container }: ContainerPlan): readonly string[] {
  const args = privilegeArguments(container)
  return args.length === 0 ? [] : ['setpriv', ...args, '--']
}

// `env -i` is one exec; the tools before it run with the sandbox's environment, the program with the pod's alone.
function assignments({ environment }: ContainerPlan, workingDir?: string): readonly string[] {
  return ['env', '-i', ...(workingDir === undefined || workingDir === '' ? [] : [`--chdir=${workingDir}`]), ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)]
}

function hasHandler(pid: number, signal: NodeJS.Signals): boolean | undefined {
  try {
    const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return caught === undefined ? undefined : ((BigInt(`0x${caught}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n
  } catch {
    return undefined
  }
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === 'SIGKILL' ? 9 : signal === 'SIGTERM' ? 15 : signal === 'SIGINT' ? 2 : signal === 'SIGSEGV' ? 11 : signal === 'SIGABRT' ? 6 : 9
}
