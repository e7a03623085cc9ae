import { chmodSync, closeSync, existsSync, openSync, renameSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { layOutJournal } from './journal.ts'
import type { StoredAttachment, StoreOperation } from './store-message.ts'

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

/** Where the database of attachments is. */
export interface DatabasePlace {
  readonly path: string
  readonly lockTimeoutMs: number
}

function open({ path, lockTimeoutMs }: DatabasePlace): DatabaseSync {
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
export function openDatabase(place: DatabasePlace): { readonly database: DatabaseSync, readonly setAside?: string } {
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

/** The last address that was handed out in each family. */
export function readCursors(database: DatabaseSync): readonly string[] {
  return database.prepare('SELECT last FROM cursor').all().map((row) => textOf(row, 'last'))
}

function valueOf(database: DatabaseSync, query: string): unknown {
  return Object.values(database.prepare(query).get() ?? {})[0]
}

export function readAttachments(database: DatabaseSync): readonly StoredAttachment[] {
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

/** Carries out one operation after the other. */
export function executor(database: DatabaseSync): (operation: StoreOperation) => void {
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
