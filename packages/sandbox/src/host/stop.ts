import { SandboxClient } from '../control/client.ts'
import { SandboxError } from '../errors.ts'
import { groupOf, isRunning, killProcess, waitUntilGone } from './process-identity.ts'
import { clearStateFolder, removeCluster, stateFolder } from './state-folder.ts'
import { readState } from './state-file.ts'

/** How long an orderly end may take before the processes are killed. */
const orderlyMs = 400

/**
 * Ends the sandbox of a folder and waits until all of it is gone: processes, namespaces, mounts, sockets.
 * Logs stay, and with `keep` the cluster's objects, with which the next start goes on. A folder without a sandbox is fine, and so is one whose sandbox died before.
 *
 * @returns Whether one was running.
 * @throws {SandboxError} `ERR_SANDBOX_STOP` if a process is still there after SIGKILL.
 */
export async function stopSandbox(stateDir: string, options: { readonly keep?: boolean | undefined } = {}): Promise<boolean> {
  const folder = stateFolder(stateDir)
  const state = readState(folder)
  if (state === undefined) {
    if (options.keep !== true) removeCluster(folder)
    return false
  }
  const { unshare } = state
  const started = unshare !== undefined && isRunning(unshare) ? groupOf(unshare) : []
  const processes = [...[state.init, unshare].filter((identity) => identity !== undefined), ...started]
  const running = processes.some(isRunning)
  if (running) {
    // It answers by ending; a silent or stuck one is killed, and with PID 1 the kernel ends all the rest.
    const asked = await new SandboxClient(folder.root).shutdown(orderlyMs)
    const gone = asked && (await Promise.all(processes.map((identity) => waitUntilGone(identity, orderlyMs)))).every(Boolean)
    if (!gone) for (const identity of processes) killProcess(identity)
    for (const identity of processes) {
      if (!(await waitUntilGone(identity, 2000))) {
        throw new SandboxError('ERR_SANDBOX_STOP', `Cannot stop the sandbox in "${folder.root}": process ${identity.pid} is still there after SIGKILL`)
      }
    }
  }
  clearStateFolder(folder)
  if (options.keep !== true) removeCluster(folder)
  return running
}
