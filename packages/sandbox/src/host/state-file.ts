import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import type { AddressFamilies } from '../underlay/topology.ts'
import { isRunning, type ProcessIdentity } from './process-identity.ts'
import { clearStateFolder, type StateFolder } from './state-folder.ts'

/** What state.json holds. */
export interface SandboxState {
  readonly phase: 'starting' | 'ready'
  /** While starting: who starts it. */
  readonly launcher: ProcessIdentity
  /** The `unshare` process, whose death ends everything. */
  readonly unshare?: ProcessIdentity | undefined
  /** PID 1 of the sandbox as the host sees it; when it is gone, so is all else. */
  readonly init?: ProcessIdentity | undefined
  readonly nodes: readonly string[]
  readonly family: AddressFamilies
  /** `https://127.0.0.1:<port>` once listening. */
  readonly server: string
  readonly startedAt: string
}

/** Reads state.json; undefined when there is none or it is not ours. */
export function readState(folder: StateFolder): SandboxState | undefined {
  try {
    const state: SandboxState = JSON.parse(readFileSync(folder.stateFile, 'utf8'))
    return typeof state.launcher.pid === 'number' ? state : undefined
  } catch {
    return undefined
  }
}

/** Whether any process of this state still runs. */
export function isLive(state: SandboxState): boolean {
  return [state.unshare, state.init, state.phase === 'starting' ? state.launcher : undefined].some((identity) => identity !== undefined && isRunning(identity))
}

/** Replaces state.json in one step. */
export function writeState(folder: StateFolder, state: SandboxState): void {
  const temporary = `${folder.stateFile}.new`
  writeFileSync(temporary, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 })
  renameSync(temporary, folder.stateFile)
}

/**
 * Takes the folder for a new sandbox: of two starts at once only one gets it. What a dead one left is removed.
 *
 * @returns The state of the sandbox that has it, or undefined when it is ours now.
 */
export function claimStateFolder(folder: StateFolder, state: SandboxState): SandboxState | undefined {
  // Linked, not written: whoever sees the file sees it whole.
  const temporary = `${folder.stateFile}.${state.launcher.pid}`
  writeFileSync(temporary, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        linkSync(temporary, folder.stateFile)
        return undefined
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error
      }
      const present = readState(folder)
      if (present !== undefined && isLive(present)) return present
      clearStateFolder(folder)
    }
    return readState(folder) ?? state
  } finally {
    rmSync(temporary, { force: true })
  }
}
