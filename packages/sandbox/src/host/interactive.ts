import { SandboxClient } from '../control/client.ts'
import type { Target } from '../control/protocol.ts'
import { SandboxError } from '../errors.ts'
import { isRunning } from './process-identity.ts'
import { stateFolder } from './state-folder.ts'
import { readState } from './state-file.ts'

/** A command to be run on the host with the terminal as it is. */
export interface InteractiveCommand {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/**
 * How to enter a place of the sandbox with a terminal: `nsenter` into its first process, and from there further.
 * The control socket cannot do it, a terminal does not travel over it.
 *
 * @throws {SandboxError} `ERR_SANDBOX_NOT_RUNNING`, or `ERR_SANDBOX_CONTROL` when there is no such place.
 */
export async function interactiveCommand(stateDir: string, target: Target, command: readonly string[]): Promise<InteractiveCommand> {
  const folder = stateFolder(stateDir)
  const init = readState(folder)?.init
  if (init === undefined || !isRunning(init)) throw new SandboxError('ERR_SANDBOX_NOT_RUNNING', `Cannot enter the sandbox in "${folder.root}": it is not running`)
  const { command: inner, environment } = await new SandboxClient(folder.root).enter(target)
  return {
    command: ['nsenter', '-t', String(init.pid), '--user', '--preserve-credentials', '--net', '--mount', '--uts', '--ipc', '--cgroup', '--pid', '--', ...inner, ...command],
    environment,
  }
}
