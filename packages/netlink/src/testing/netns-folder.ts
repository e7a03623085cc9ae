import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deleteNetns } from '../netns.ts'

/** `pid:[4026531836]` of the namespace in which process ids mean something to us. */
const pidNamespace = /\d+/u.exec(readlinkSync('/proc/self/ns/pid'))![0]
const prefix = `netns-${pidNamespace}-`

/** How the folder of a process is called, before what makes it unique. */
export function netnsPrefix(pid: number): string {
  return `${prefix}${pid}-`
}

let sweeping: Promise<void> | undefined

/** A folder for the file that pins a namespace. Before the first one those of test runs that were killed are removed. */
export async function netnsFolder(): Promise<string> {
  sweeping ??= sweepNetns(tmpdir())
  await sweeping
  return mkdtempSync(join(tmpdir(), netnsPrefix(process.pid)))
}

/** Removes namespaces of processes that are gone, as far as they were pinned below this folder and are ours to remove. */
export async function sweepNetns(parent: string): Promise<void> {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix) || isAlive(Number.parseInt(name.slice(prefix.length), 10))) continue
    const folder = join(parent, name)
    try {
      await deleteNetns(join(folder, 'net'))
      rmSync(folder, { recursive: true, force: true })
    } catch {
      // Another run sweeps at the same time, or somebody else's run made it: in a user namespace what was mounted outside stays.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
