import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type CallFrame, decodeCall } from './frame.ts'

const suffix = '.del'

/** Longer than a tick of any kernel's coarse clock. */
const clockTickMs = 50

export interface SpooledCall {
  readonly path: string
  /** Undefined if the file cannot be read as a call. */
  readonly call: CallFrame | undefined
}

/** DELs that arrived while no agent was there, as files in a folder whose names sort by time. */
export class Spool {
  readonly #folder: string
  /** Modification time of the folder when nothing was in it. */
  #emptyAt: number | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  async prepare(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    // Calls name pods and carry configuration; a folder made by hand, or by an older plugin, may be open to all.
    await chmod(this.#folder, 0o700)
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name)
      // Left by a plugin that was killed before its rename: it has not answered, so the runtime comes again.
      if (name.endsWith('.tmp')) await rm(path, { force: true })
      else if (name.endsWith(suffix)) await chmod(path, 0o600)
    }
  }

  /** True if nothing waits; synchronous and cheap, for every ADD asks: a folder that is as it was when it was empty is not read again. */
  isEmpty(): boolean {
    try {
      const { mtimeMs } = statSync(this.#folder)
      if (mtimeMs === this.#emptyAt) return true
      const lookedAt = Date.now()
      const isEmpty = !readdirSync(this.#folder).some((name) => name.endsWith(suffix))
      // A file that comes within the same tick of the file system's clock would leave the time as it is.
      this.#emptyAt = isEmpty && lookedAt - mtimeMs > clockTickMs ? mtimeMs : undefined
      return isEmpty
    } catch {
      return true
    }
  }

  /** Oldest first. */
  async calls(): Promise<readonly SpooledCall[]> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith(suffix)).sort()
    return await Promise.all(names.map(async (name) => {
      const path = join(this.#folder, name)
      return { path, call: decode(await readFile(path)) }
    }))
  }

  async remove(path: string): Promise<void> {
    await rm(path, { force: true })
  }
}

function decode(bytes: Buffer): CallFrame | undefined {
  try {
    return decodeCall(bytes)
  } catch {
    return undefined
  }
}

/**
 * Leaves a call for the agent's next start: write, fsync, rename, fsync of the folder, as the C shim does.
 *
 * @param stamp Name that sorts by time and is unique, e.g. nanoseconds and process id.
 */
export function writeSpool(folder: string, stamp: string, call: Buffer): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const temporary = join(folder, `${stamp}.tmp`)
  try {
    const file = openSync(temporary, 'wx', 0o600)
    writeSync(file, call)
    fsyncSync(file)
    closeSync(file)
    renameSync(temporary, join(folder, `${stamp}${suffix}`))
    const directory = openSync(folder, 'r')
    fsyncSync(directory)
    closeSync(directory)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

