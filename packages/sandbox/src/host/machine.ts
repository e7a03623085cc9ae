import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { SandboxError } from '../errors.ts'

/** What the probe of the machine saw. */
export interface MachineSigns {
  /** Programs of util-linux that are not installed. */
  readonly missingPrograms: readonly string[]
  /** Exit code and standard error of `unshare`; code undefined when it could not be run. */
  readonly exitCode: number | undefined
  readonly stderr: string
  /** Content of files below /proc/sys, undefined when absent. */
  readonly apparmorRestriction: string | undefined
  readonly unprivilegedClone: string | undefined
  readonly maxUserNamespaces: string | undefined
  /** The field `Seccomp` of /proc/self/status. */
  readonly seccomp: string | undefined
}

const programs = ['unshare', 'nsenter', 'setpriv', 'mount', 'umount', 'chroot', 'sh']

/** All namespaces at once: one that the host still owns could not be re-entered. */
export const unshareArguments: readonly string[] = ['-Ur', '--net', '--mount', '--uts', '--ipc', '--cgroup', '--pid', '--fork', '--kill-child=KILL']

/**
 * Search path of the sandbox: ordinary users often lack the sbin folders, where `chroot` may be, and containers lack
 * folders of the user's own (below /tmp and /run), so that `setpriv` and `env` in them need the usual ones.
 */
export function searchPath(): string {
  const path = (process.env['PATH'] ?? '/usr/bin:/bin').split(':')
  return [...path, ...['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].filter((dir) => !path.includes(dir))].join(':')
}

/** Tries, in about 5 ms and without leaving anything, whether this user may have namespaces. */
function probeMachine(): MachineSigns {
  const missingPrograms = programs.filter((program) => !isInstalled(program))
  const trial = missingPrograms.length > 0 ? undefined : spawnSync('unshare', [...unshareArguments, 'true'], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
  return {
    missingPrograms,
    exitCode: trial?.status ?? undefined,
    stderr: trial?.stderr ?? '',
    apparmorRestriction: readWord('/proc/sys/kernel/apparmor_restrict_unprivileged_userns'),
    unprivilegedClone: readWord('/proc/sys/kernel/unprivileged_userns_clone'),
    maxUserNamespaces: readWord('/proc/sys/user/max_user_namespaces'),
    seccomp: /^Seccomp:\s*(\d+)/m.exec(readWord('/proc/self/status') ?? '')?.[1],
  }
}

/**
 * Says why the machine refuses, in a sentence with a remedy.
 *
 * @returns Undefined when nothing stands in the way.
 */
export function refusalOf(signs: MachineSigns): string | undefined {
  const eperm = /Operation not permitted/.test(signs.stderr)
  if (signs.missingPrograms.length > 0 || /(unrecognized|invalid) option/.test(signs.stderr)) {
    const missing = signs.missingPrograms.length > 0 ? `; not found: ${signs.missingPrograms.join(', ')}` : ''
    return `Cannot start the sandbox: it needs util-linux 2.32 or newer (\`unshare\`, \`nsenter\`, \`setpriv\`)${missing}`
  }
  if (signs.exitCode === 0) return undefined
  if (signs.apparmorRestriction === '1' && /uid_map/.test(signs.stderr) && eperm) {
    return 'Cannot start the sandbox: AppArmor forbids user namespaces to ordinary programs here. An administrator can allow it until the next boot: `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`'
  }
  if (signs.unprivilegedClone === '0' && eperm) {
    return 'Cannot start the sandbox: this system keeps user namespaces for root. Allow it: `sudo sysctl -w kernel.unprivileged_userns_clone=1`'
  }
  if (signs.maxUserNamespaces === '0' || /No space left on device/.test(signs.stderr)) {
    return `Cannot start the sandbox: the limit of user namespaces is reached (\`user.max_user_namespaces\` is ${signs.maxUserNamespaces ?? 'unknown'}). Raise it: \`sudo sysctl -w user.max_user_namespaces=10000\``
  }
  if (eperm && signs.seccomp === '2') {
    return "Cannot start the sandbox: a container's seccomp profile forbids it. Run Weft outside the container, or start the container with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`"
  }
  return `Cannot start the sandbox: \`unshare ${unshareArguments.join(' ')}\` failed: ${signs.stderr.trim() || `exit code ${signs.exitCode ?? 'none'}`}`
}

/** @throws {SandboxError} `ERR_SANDBOX_UNSUPPORTED` with the sentence of {@link refusalOf}. */
export function requireMachine(): void {
  const refusal = refusalOf(probeMachine())
  if (refusal !== undefined) throw new SandboxError('ERR_SANDBOX_UNSUPPORTED', refusal)
}

function isInstalled(program: string): boolean {
  return searchPath().split(':').some((dir) => {
    try {
      accessSync(`${dir}/${program}`, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function readWord(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
