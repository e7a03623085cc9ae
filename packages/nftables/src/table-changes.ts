import { decodeMessages, NetlinkSocket, type NetlinkSocketOptions, readEvent } from '@weft/netlink'
import * as nf from './nf-tables.ts'
import type { TableName } from './table.ts'
import { decodeTableEvent } from './watch-table.ts'

/** Whether one table stays as it is, by what the kernel tells of commits: a table of a hundred thousand elements takes a second to read, and others are changed meanwhile. */
export class TableChanges implements Disposable {
  readonly #socket: NetlinkSocket
  readonly #table: TableName

  private constructor(socket: NetlinkSocket, table: TableName) {
    this.#socket = socket
    this.#table = table
  }

  static async open(table: TableName, options: NetlinkSocketOptions): Promise<TableChanges> {
    const socket = await NetlinkSocket.open('netfilter', options)
    socket.join(nf.GROUP)
    return new TableChanges(socket, table)
  }

  /** Whether a program changed it since this was asked last. What the kernel lost may have been about it. */
  any(): boolean {
    let any = false
    for (let bytes = this.#socket.recvRaw(); bytes !== undefined; bytes = this.#socket.recvRaw()) {
      any ||= bytes === 'overrun' || decodeMessages(bytes).some((message) => {
        const event = readEvent(message, (readable) => decodeTableEvent(this.#table, readable))
        // Elements that packets add are no program's, and no commit.
        return event === 'overrun' || (event !== undefined && event.portId !== 0)
      })
    }
    return any
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }
}
