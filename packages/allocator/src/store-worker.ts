/**
 * The worker that owns the database. node:sqlite is synchronous and a commit waits for the disk, so it stays off the
 * main thread; everything that arrived while one commit waited goes into the next one.
 */
import type { DatabaseSync } from 'node:sqlite'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { messageOf } from '@weft/daemon/message-of'
import { executor, openDatabase, readAttachments, readCursors } from './database.ts'
import { Checkpoints } from './journal.ts'
import { waitsForDisk, type StoreMessage, type StoreReply, type StoreRequest, type StoreResult } from './store-message.ts'

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
    const opened = openDatabase(workerData)
    database = opened.database
    say({ kind: 'open', attachments: readAttachments(database), cursors: readCursors(database), setAside: opened.setAside })
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
