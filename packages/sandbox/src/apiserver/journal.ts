import { closeSync, existsSync, fdatasync, fdatasyncSync, fsyncSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { KubeObject } from './json.ts'

/** One change as it is kept on disk. `object` is absent for a removal. */
export interface JournalRecord {
  readonly revision: number
  readonly storage: string
  readonly key: string
  readonly object?: KubeObject | undefined
}

/** The journal cannot be read: a line in its middle is damaged. */
export class JournalError extends Error {
  readonly code = 'ERR_SANDBOX_JOURNAL'
  constructor(path: string, line: number, cause: unknown) {
    super(`Cannot read journal "${path}": line ${line} is damaged, wanted a change as JSON`, { cause })
    this.name = 'JournalError'
  }
}

const HEADER = '{"weft":"apiserver-journal","version":1}'

/**
 * An append-only file of changes, one JSON line each.
 *
 * A record is in the kernel's page cache when `append` returns, so a killed process loses nothing that was acknowledged;
 * `sync` puts it on the disk (the server calls it in the background, which bounds what a power cut may take).
 */
export class Journal {
  readonly path: string
  #fd: number
  #size: number
  #dirty = false

  private constructor(path: string, fd: number, size: number) {
    this.path = path
    this.#fd = fd
    this.#size = size
  }

  /**
   * Opens or makes a journal and reads what it holds. A last line that was cut short was never acknowledged and is dropped.
   *
   * @param onRecord Called for every record, oldest first.
   * @throws {JournalError} When a line other than the last is damaged.
   */
  static open(path: string, onRecord: (record: JournalRecord) => void): Journal {
    const text = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
    const end = text.lastIndexOf(0x0a) + 1
    let line = 0
    for (let start = 0; start < end; line++) {
      const stop = text.indexOf(0x0a, start)
      if (line > 0) {
        try {
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this class wrote it
          onRecord(JSON.parse(text.toString('utf8', start, stop)) as JournalRecord)
        } catch (error) {
          throw new JournalError(path, line + 1, error)
        }
      }
      start = stop + 1
    }
    const fd = openSync(path, 'a', 0o600)
    if (end < text.length) ftruncateSync(fd, end)
    const journal = new Journal(path, fd, end)
    if (end === 0) journal.#write(`${HEADER}\n`)
    return journal
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#size
  }

  /**
   * Adds a record.
   *
   * @param objectJson The object's JSON, already written; undefined for a removal.
   */
  append(revision: number, storage: string, key: string, objectJson: string | undefined): void {
    this.#write(recordLine(revision, storage, key, objectJson))
    this.#dirty = true
  }

  #write(line: string): void {
    const bytes = Buffer.from(line)
    let done = 0
    try {
      while (done < bytes.length) done += writeSync(this.#fd, bytes, done)
    } catch (error) {
      // A half line in the middle would make the file unreadable; take it back before the caller reports the failure.
      ftruncateSync(this.#fd, this.#size)
      throw error
    }
    this.#size += bytes.length
  }

  /** Puts everything appended so far on the disk. */
  async sync(): Promise<void> {
    if (!this.#dirty) return
    this.#dirty = false
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    fdatasync(this.#fd, error => (error === null ? resolve() : reject(error)))
    await promise
  }

  /** Replaces the file by one that holds only `records`; a crash leaves the old or the new one. */
  rewrite(records: Iterable<readonly [revision: number, storage: string, key: string, objectJson: string | undefined]>): void {
    const temporary = `${this.path}.new`
    const fd = openSync(temporary, 'w', 0o600)
    let size = 0
    const put = (text: string): void => {
      const bytes = Buffer.from(text)
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done)
      size += bytes.length
    }
    put(`${HEADER}\n`)
    for (const record of records) put(recordLine(...record))
    fsyncSync(fd)
    renameSync(temporary, this.path)
    const folder = openSync(dirname(this.path), 'r')
    fsyncSync(folder)
    closeSync(folder)
    closeSync(this.#fd)
    closeSync(fd)
    this.#fd = openSync(this.path, 'a')
    this.#size = size
    this.#dirty = false
  }

  /** Syncs and closes. */
  close(): void {
    fdatasyncSync(this.#fd)
    closeSync(this.#fd)
  }
}

function recordLine(revision: number, storage: string, key: string, objectJson: string | undefined): string {
  const head = `{"revision":${revision},"storage":${JSON.stringify(storage)},"key":${JSON.stringify(key)}`
  return objectJson === undefined ? `${head}}\n` : `${head},"object":${objectJson}}\n`
}
