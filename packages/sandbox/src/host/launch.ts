import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { nodeCommand } from '../program-files.ts'
import { childrenOf, identifyProcess, type ProcessIdentity } from './process-identity.ts'
import { searchPath, unshareArguments } from './machine.ts'
import type { StateFolder } from './state-folder.ts'

// PID 1 is a shell: Node never reaps orphans, and what it mounts here is in place before init's first line.
// A machine that masks /proc refuses a new one; then init goes on with the old one, whose numbers are the outer ones.
// `.machine` is the machine's own tree as containers see it, without the state folder, which has the admin's credentials;
// init makes it read-only (inside/machine-tree.ts).
const firstProcess = `
run=$1; shift
mount -t proc proc /proc 2>/dev/null || export WEFT_SANDBOX_OUTER_PROC=1
mount -t tmpfs -o mode=700,nosuid,nodev weft-sandbox "$run" || exit 70
mkdir -p "$run/rootfs/.machine"
mount --rbind / "$run/rootfs/.machine" || exit 70
mount -t tmpfs -o ro,mode=000,size=4k weft-hidden "$run/rootfs/.machine\${run%/run}" || exit 70
"$@"
exit $?`

/** The process tree's outer end. */
export interface Launched {
  readonly process: ChildProcess
  /** The process whose death ends the sandbox. */
  readonly unshare: ProcessIdentity
  /** Host-side identity of PID 1; once it is gone nothing of the sandbox is left. */
  init(): ProcessIdentity | undefined
}

/** Starts `unshare … sh … node init.ts`, which then waits for {@link ToInit} messages. */
export function launch(folder: StateFolder): Launched {
  const log = openSync(`${folder.logs}/init.log`, 'a', 0o600)
  const child = spawn('unshare', [
    ...unshareArguments, 'sh', '-c', firstProcess, 'sh', folder.run,
    ...nodeCommand('init'),
  ], {
    // Ctrl-C at the launcher's terminal is the launcher's affair.
    detached: true,
    cwd: '/',
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...process.env, PATH: searchPath() },
  })
  closeSync(log)
  const unshare = child.pid === undefined ? undefined : identifyProcess(child.pid)
  if (unshare === undefined) throw new Error('unshare ended at once')
  return {
    process: child,
    unshare,
    init: () => childrenOf(unshare.pid).map(identifyProcess).find((identity) => identity !== undefined),
  }
}
