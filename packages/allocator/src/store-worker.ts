/**
 * The worker that owns the database. node:sqlite is synchronous and a commit waits for the disk, so it stays off the
 * main thread; everything that arrived while one commit waited goes into the next one.
 */
import { chmodSync, closeSync, existsSync, fsyncSync, ftruncateSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { waitsForDisk, type StoredAttachment, type StoreMessage, type StoreOperation, type StoreReply, type StoreRequest, type StoreResult } from './store-message.ts'
import { messageOf } from '@weft/daemon/message-of'

const schemaVersion = 2

const schema = `
  CREATE TABLE attachment (
    container_id TEXT NOT NULL,
    ifname TEXT NOT NULL,
    state TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    netns TEXT NOT NULL,
    host_ifname TEXT NOT NULL,
    data TEXT NOT NULL,
    -- At most one address of each family; which comes first in the result.
    ipv4 TEXT UNIQUE,
    ipv6 TEXT UNIQUE,
    primary_family INTEGER NOT NULL,
    PRIMARY KEY (container_id, ifname)
  ) STRICT, WITHOUT ROWID;
  -- The last address handed out in each family: where the round goes on after a restart.
  CREATE TABLE cursor (family INTEGER PRIMARY KEY, last TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${schemaVersion};
`

type Row = Readonly<Record<string, unknown>>

function textOf(row: Row, column: string): string {
  return String(row[column])
}

interface Place {
  readonly path: string
  readonly lockTimeoutMs: number
}

function open({ path, lockTimeoutMs }: Place): DatabaseSync {
  // SQLite would leave the mode to the umask; its journal takes the mode of the database.
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  layOutJournal(`${path}-wal`)
  const database = new DatabaseSync(path, { timeout: lockTimeoutMs })
  try {
    // EXCLUSIVE: a second agent on the same store would allocate from its own memory; it must fail to open instead.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0')
    const version = Number(valueOf(database, 'PRAGMA user_version'))
    if (version === 0) database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT`)
    else if (version !== schemaVersion) throw new UnusableError(`Cannot use store: its schema has version ${version}, wanted ${schemaVersion}`)
    const verdict = valueOf(database, 'PRAGMA quick_check(1)')
    if (verdict !== 'ok') throw new UnusableError(`Cannot use store: ${String(verdict)}`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** How large the journal is from the start, and when what is in it is brought home, in the next quiet moment or at the latest. */
const journal = { bytes: 1 << 20, quietFrames: 200, mostFrames: 4000, quietMs: 50 } as const

/**
 * Gives the journal its blocks on disk before anything waits for it: a file that grows has the file system write its own journal at every fsync, which
 * makes the slowest of a hundred commits twice as slow. SQLite takes zeros for a journal with nothing in it, and writes over them.
 */
function layOutJournal(path: string): void {
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
class Checkpoints {
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

/** The file itself is the fault, whoever opens it. */
class UnusableError extends Error {}

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

function isUnusable(error: unknown): boolean {
  // Extended codes have the plain one in their lowest byte.
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
  return error instanceof UnusableError || code === SQLITE_CORRUPT || code === SQLITE_NOTADB
}

/** A file that cannot be read is kept for whoever wants to look, and a new one begun. */
function openOrBegin(place: Place): { readonly database: DatabaseSync, readonly setAside?: string } {
  try {
    return { database: open(place) }
  } catch (error) {
    if (!isUnusable(error)) throw error
    const setAside = `${place.path}.unusable-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`
    renameSync(place.path, setAside)
    for (const suffix of ['-wal', '-shm']) if (existsSync(place.path + suffix)) renameSync(place.path + suffix, setAside + suffix)
    return { database: open(place), setAside }
  }
}

function valueOf(database: DatabaseSync, query: string): unknown {
  return Object.values(database.prepare(query).get() ?? {})[0]
}

function readAll(database: DatabaseSync): readonly StoredAttachment[] {
  return database.prepare('SELECT * FROM attachment').all().map((row) => {
    const addresses = [row['ipv4'], row['ipv6']].filter((address) => typeof address === 'string')
    return {
      containerId: textOf(row, 'container_id'), ifname: textOf(row, 'ifname'), state: textOf(row, 'state'), namespace: textOf(row, 'namespace'), name: textOf(row, 'name'),
      uid: textOf(row, 'uid'), netns: textOf(row, 'netns'), hostIfname: textOf(row, 'host_ifname'), data: textOf(row, 'data'),
      addresses: row['primary_family'] === 6 ? addresses.reverse() : addresses,
    }
  })
}

function familyOf(address: string | undefined): 4 | 6 {
  return address?.includes(':') === true ? 6 : 4
}

function executor(database: DatabaseSync): (operation: StoreOperation) => void {
  const insertAttachment = database.prepare('INSERT INTO attachment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const setCursor = database.prepare('INSERT INTO cursor VALUES (?, ?) ON CONFLICT DO UPDATE SET last = excluded.last')
  const setState = database.prepare('UPDATE attachment SET state = ? WHERE container_id = ? AND ifname = ?')
  const remove = database.prepare('DELETE FROM attachment WHERE container_id = ? AND ifname = ?')
  return (operation) => {
    switch (operation.kind) {
      case 'insert': {
        const { containerId, ifname, state, namespace, name, uid, netns, hostIfname, data, addresses } = operation.attachment
        const [ipv4, ipv6] = ([4, 6] as const).map((family) => addresses.find((address) => familyOf(address) === family))
        insertAttachment.run(containerId, ifname, state, namespace, name, uid, netns, hostIfname, data, ipv4 ?? null, ipv6 ?? null, familyOf(addresses[0]))
        for (const address of addresses) setCursor.run(familyOf(address), address)
        return
      }
      case 'state':
        setState.run(operation.state, operation.containerId, operation.ifname)
        return
      case 'delete':
        remove.run(operation.containerId, operation.ifname)
        return
      case 'probe':
        // The first page is written, with what stands there already.
        database.exec(`PRAGMA user_version = ${schemaVersion}`)
        return
      default:
        operation satisfies never
    }
  }
}

/** One transaction for all requests; each stands in a savepoint of its own, so one that fails takes no other with it. */
function committer(database: DatabaseSync): (requests: readonly StoreRequest[]) => readonly StoreResult[] {
  const execute = executor(database)
  const savepoint = database.prepare('SAVEPOINT one')
  const releaseSavepoint = database.prepare('RELEASE one')
  let isSynchronous = true
  return (requests) => {
    try {
      const mustSync = requests.some(({ operation }) => waitsForDisk(operation))
      if (mustSync !== isSynchronous) database.exec(`PRAGMA synchronous = ${mustSync ? 'FULL' : 'NORMAL'}`)
      isSynchronous = mustSync
      database.exec('BEGIN IMMEDIATE')
      const results = requests.map(({ id, operation }): StoreResult => {
        savepoint.run()
        try {
          execute(operation)
          releaseSavepoint.run()
          return { id }
        } catch (error) {
          // A full disk may have ended the whole transaction; ROLLBACK TO then throws and the outer catch answers.
          database.exec('ROLLBACK TO one; RELEASE one')
          return { id, error: messageOf(error) }
        }
      })
      database.exec('COMMIT')
      return results
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      return requests.map(({ id }) => ({ id, error: messageOf(error) }))
    }
  }
}

function serve(): void {
  const port = parentPort!
  const say = (reply: StoreReply): void => port.postMessage(reply)
  let database: DatabaseSync
  try {
    const opened = openOrBegin(workerData)
    database = opened.database
    const cursors = database.prepare('SELECT last FROM cursor').all().map((row) => textOf(row, 'last'))
    say({ kind: 'open', attachments: readAll(database), cursors, setAside: opened.setAside })
  } catch (error) {
    say({ kind: 'failed', error: messageOf(error) })
    return
  }
  const commit = committer(database)
  const checkpoints = new Checkpoints(database)
  port.on('message', (first: StoreMessage) => {
    const batch = [first]
    for (let next: { message: StoreMessage } | undefined = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) batch.push(next.message)
    const requests = batch.flatMap((message) => message === 'close' ? [] : message)
    const began = performance.now()
    if (requests.length > 0) say({ kind: 'done', results: commit(requests), commitMs: performance.now() - began })
    checkpoints.after(requests.length)
    if (!batch.includes('close')) return
    checkpoints.end()
    database.close()
    port.close()
  })
}

serve()
