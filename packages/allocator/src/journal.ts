import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'

/** How large the journal is from the start, and when what is in it is brought home, in the next quiet moment or at the latest. */
const journal = { bytes: 1 << 20, quietFrames: 200, mostFrames: 4000, quietMs: 50 } as const

/**
 * Gives the journal its blocks on disk before anything waits for it: a file that grows has the file system write its own journal at every fsync, which
 * makes the slowest of a hundred commits twice as slow. SQLite takes zeros for a journal with nothing in it, and writes over them.
 */
export function layOutJournal(path: string): void {
  if (existsSync(path) && statSync(path).size > 0) return
  const file = openSync(path, 'w', 0o600)
  try {
    writeSync(file, Buffer.alloc(journal.bytes))
    fsyncSync(file)
  } catch {
    // A full disk: then it grows as it may, and what is left is for the database.
    ftruncateSync(file)
  } finally {
    closeSync(file)
  }
}

/** Brings home what the journal holds when nobody waits: SQLite would do it in the middle of somebody's commit. */
export class Checkpoints {
  readonly #database: DatabaseSync
  #timer: NodeJS.Timeout | undefined
  #frames = 0

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** @param writes Operations of the commit that is just over; each touches some five pages. */
  after(writes: number): void {
    this.#frames += 5 * writes
    if (this.#frames >= journal.mostFrames) this.#run()
    else if (this.#frames >= journal.quietFrames) {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => this.#run(), journal.quietMs)
    }
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  #run(): void {
    this.end()
    this.#frames = 0
    try {
      this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)')
    } catch {
      // A full disk; everything is in the journal as well.
    }
  }
}
