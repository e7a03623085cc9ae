/**
 * The worker that owns the database. node:sqlite is synchronous and a commit waits for the disk, so it stays off the
 * main thread; everything that arrived while one commit waited goes into the next one.
 */
import { chmodSync, closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { StoredAttachment, StoreOperation, StoreReply, StoreRequest, StoreResult } from './store-message.ts'
import { messageOf } from './message-of.ts'

const schemaVersion = 1

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
    PRIMARY KEY (container_id, ifname)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE address (
    address TEXT NOT NULL UNIQUE,
    container_id TEXT NOT NULL,
    ifname TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (container_id, ifname, position),
    FOREIGN KEY (container_id, ifname) REFERENCES attachment ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;
  -- The last address handed out in each family: where the round goes on after a restart.
  CREATE TABLE cursor (family INTEGER PRIMARY KEY, last TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${schemaVersion};`

type Row = Readonly<Record<string, unknown>>

function textOf(row: Row, column: string): string {
  return String(row[column])
}

function open({ path, lockTimeoutMs }: { readonly path: string, readonly lockTimeoutMs: number }): DatabaseSync {
  // SQLite would leave the mode to the umask; its journal takes the mode of the database.
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  const database = new DatabaseSync(path, { timeout: lockTimeoutMs })
  // EXCLUSIVE: a second agent on the same store would allocate from its own memory; it must fail to open instead.
  database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
  const version = Number(Object.values(database.prepare('PRAGMA user_version').get() ?? {})[0])
  if (version === 0) database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT`)
  else if (version !== schemaVersion) throw new Error(`its schema has version ${version}, wanted ${schemaVersion}`)
  return database
}

function keyOf(row: Row): string {
  return `${textOf(row, 'container_id')}/${textOf(row, 'ifname')}`
}

function readAll(database: DatabaseSync): readonly StoredAttachment[] {
  const addresses = new Map<string, string[]>()
  for (const row of database.prepare('SELECT * FROM address ORDER BY container_id, ifname, position').all()) {
    const key = keyOf(row)
    const list = addresses.get(key)
    if (list === undefined) addresses.set(key, [textOf(row, 'address')])
    else list.push(textOf(row, 'address'))
  }
  return database.prepare('SELECT * FROM attachment').all().map((row) => ({
    containerId: textOf(row, 'container_id'), ifname: textOf(row, 'ifname'), state: textOf(row, 'state'), namespace: textOf(row, 'namespace'), name: textOf(row, 'name'),
    uid: textOf(row, 'uid'), netns: textOf(row, 'netns'), hostIfname: textOf(row, 'host_ifname'), data: textOf(row, 'data'),
    addresses: addresses.get(keyOf(row)) ?? [],
  }))
}

function executor(database: DatabaseSync): (operation: StoreOperation) => void {
  const insertAttachment = database.prepare('INSERT INTO attachment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
  const insertAddress = database.prepare('INSERT INTO address VALUES (?, ?, ?, ?)')
  const setCursor = database.prepare('INSERT INTO cursor VALUES (?, ?) ON CONFLICT DO UPDATE SET last = excluded.last')
  const setState = database.prepare('UPDATE attachment SET state = ? WHERE container_id = ? AND ifname = ?')
  const remove = database.prepare('DELETE FROM attachment WHERE container_id = ? AND ifname = ?')
  return (operation) => {
    switch (operation.kind) {
      case 'insert': {
        const { containerId, ifname, state, namespace, name, uid, netns, hostIfname, data, addresses } = operation.attachment
        insertAttachment.run(containerId, ifname, state, namespace, name, uid, netns, hostIfname, data)
        for (const [position, address] of addresses.entries()) {
          insertAddress.run(address, containerId, ifname, position)
          setCursor.run(address.includes(':') ? 6 : 4, address)
        }
        return
      }
      case 'state':
        setState.run(operation.state, operation.containerId, operation.ifname)
        return
      case 'delete':
        remove.run(operation.containerId, operation.ifname)
        return
      default:
        operation satisfies never
    }
  }
}

/** One transaction for all requests; each stands in a savepoint of its own, so one that fails takes no other with it. */
function commit(database: DatabaseSync, execute: (operation: StoreOperation) => void, requests: readonly StoreRequest[]): readonly StoreResult[] {
  try {
    database.exec('BEGIN IMMEDIATE')
    const results = requests.map(({ id, operation }): StoreResult => {
      database.exec('SAVEPOINT one')
      try {
        execute(operation)
        database.exec('RELEASE one')
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

function serve(): void {
  const port = parentPort!
  const say = (reply: StoreReply): void => port.postMessage(reply)
  let database: DatabaseSync
  try {
    database = open(workerData)
    const cursors = database.prepare('SELECT last FROM cursor').all().map((row) => textOf(row, 'last'))
    say({ kind: 'open', attachments: readAll(database), cursors })
  } catch (error) {
    say({ kind: 'failed', error: messageOf(error) })
    return
  }
  const execute = executor(database)
  port.on('message', (first: StoreRequest | 'close') => {
    const batch: (StoreRequest | 'close')[] = [first]
    for (let next: { message: StoreRequest | 'close' } | undefined = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) batch.push(next.message)
    const requests = batch.filter((message) => message !== 'close')
    const began = performance.now()
    if (requests.length > 0) say({ kind: 'done', results: commit(database, execute, requests), commitMs: performance.now() - began })
    if (requests.length === batch.length) return
    database.close()
    port.close()
  })
}

serve()
