import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from '../errors.ts'

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks between boot and start: field 22 of /proc/<pid>/stat. */
  readonly startTicks: number
  readonly bootId: string
}

/** The identity of a running process; undefined when there is none, or only its zombie. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The name is in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  return { pid, startTicks: Number(fields[19]), bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() }
}

export function isRunning(identity: ProcessIdentity): boolean {
  const present = identifyProcess(identity.pid)
  return present !== undefined && present.startTicks === identity.startTicks && present.bootId === identity.bootId
}

/**
 * SIGKILLs a process, with its group if it leads one. @returns False if it was gone already.
 *
 * The group matters: `unshare` killed right after its fork has not told the child yet to follow it.
 */
export function killProcess(identity: ProcessIdentity): boolean {
  if (!isRunning(identity)) return false
  return [-identity.pid, identity.pid].map((target) => {
    try {
      process.kill(target, 'SIGKILL')
      return true
    } catch (error) {
      if (codeOf(error) === 'ESRCH') return false
      throw error
    }
  }).some(Boolean)
}

/** Running processes of the group that a process led, itself included; it may be gone. */
export function groupOf({ pid }: ProcessIdentity): readonly ProcessIdentity[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2] === String(pid) ? identifyProcess(Number(name)) ?? [] : []
    } catch {
      return []
    }
  })
}

/** Waits until a process is gone. @returns False if it is still there after `timeoutMs`. */
export async function waitUntilGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (isRunning(identity)) {
    if (performance.now() > deadline) return false
    await sleep(4)
  }
  return true
}

/** Children of a process, of all its threads. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter((word) => word !== '').map(Number)
  } catch {
    return []
  }
}
