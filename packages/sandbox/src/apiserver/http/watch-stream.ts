import type { ServerResponse } from 'node:http'
import type { Faults } from '../faults.ts'
import type { JsonObject } from '../json.ts'
import type { Stored } from '../stored.ts'
import type { User } from '../tls/credentials.ts'
import type { WatchSink } from '../verbs/watch.ts'

/** Bytes a slow client may leave unread before its watch is cut; it lists again then. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024

/** How the objects of a watch are written. */
export interface EventWriter {
  object(item: Stored): string
  bookmark(revision: number, initialEventsEnd: boolean): string
}

/** Writes a watch as lines of JSON. */
export class WatchStream implements WatchSink {
  readonly #response: ServerResponse
  readonly #writer: EventWriter
  readonly #faults: Faults
  readonly #user: User
  #held: string[] = []

  constructor(response: ServerResponse, writer: EventWriter, options: { faults: Faults, user: User }) {
    this.#response = response
    this.#writer = writer
    this.#faults = options.faults
    this.#user = options.user
  }

  event(type: 'ADDED' | 'MODIFIED' | 'DELETED', item: Stored): void {
    if (this.#faults.takeGarbage()) this.#line('{"type":"MODI\u0000garbage}')
    this.#line(`{"type":"${type}","object":${this.#writer.object(item)}}`)
  }

  bookmark(revision: number, initialEventsEnd: boolean): void {
    this.#line(`{"type":"BOOKMARK","object":${this.#writer.bookmark(revision, initialEventsEnd)}}`)
  }

  end(status?: JsonObject): void {
    if (status !== undefined) this.#line(`{"type":"ERROR","object":${JSON.stringify(status)}}`)
    this.#response.end()
  }

  #line(text: string): void {
    // Behind a partition that drops packets the bytes would wait in the sender's buffer and come when it heals.
    if (this.#faults.partitionOf(this.#user) === 'hang') this.#held.push(`${text}\n`)
    else this.#response.write(`${text}\n`)
    if (this.#response.writableLength > MAX_UNREAD_BYTES) this.#response.destroy()
  }

  /** Sends what a partition held back, or cuts the connection if that is what it does. */
  onFaultsChanged(): void {
    const partition = this.#faults.partitionOf(this.#user)
    if (partition === 'reset') this.#response.destroy()
    if (partition !== undefined) return
    for (const line of this.#held.splice(0)) this.#response.write(line)
  }
}
