import type { Socket } from 'node:net'
import type { Clock } from '@weft/daemon'
import type { TcpConfig } from '../config.ts'
import type { Counters } from './counters.ts'

interface Connection {
  /** How long it may be silent. */
  readonly idleMs: number
  lastMs: number
  /** Since when an incomplete message lies here. */
  partialMs: number | undefined
}

/** How late a connection may be closed: they are not looked at more often, in milliseconds. */
const latenessMs = 500

/** The node's agent, which holds a connection to be told of our end (packages/agent/src/lifeline.ts): closed for its silence, it would come again at once. */
const agentAddress = '127.0.0.1'

/**
 * All TCP connections of the server and their limits: how many, how many of one client, how long silent, how long for
 * one message. When all places are taken, the one that was silent longest makes room, so that idle connections never
 * keep others out (fault 33).
 */
export class TcpConnections {
  readonly #config: TcpConfig
  readonly #counters: Counters
  readonly #clock: Clock
  /** In the order of last use: the first has been silent longest. */
  readonly #connections = new Map<Socket, Connection>()
  readonly #perClient = new Map<string, number>()

  constructor(config: TcpConfig, deps: { readonly counters: Counters, readonly clock: Clock }) {
    this.#config = config
    this.#counters = deps.counters
    this.#clock = deps.clock
  }

  get size(): number {
    return this.#connections.size
  }

  /** Takes a connection in; false when its client has too many: it is closed then. */
  open(socket: Socket, client: string): boolean {
    const count = this.#perClient.get(client) ?? 0
    if (count >= this.#config.maxConnectionsPerClient) {
      this.#counters.event('tcpEvicted')
      socket.destroy()
      return false
    }
    if (this.#connections.size >= this.#config.maxConnections) {
      this.#counters.event('tcpEvicted')
      const [oldest] = this.#connections.keys()
      this.#connections.delete(oldest!)
      oldest!.destroy()
    }
    this.#perClient.set(client, count + 1)
    this.#connections.set(socket, { idleMs: client === agentAddress ? Infinity : this.#config.idleTimeout, lastMs: this.#clock.now(), partialMs: undefined })
    this.#counters.event('tcpOpened')
    return true
  }

  /** A whole message came. */
  touch(socket: Socket, nowMs: number): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    connection.lastMs = nowMs
    connection.partialMs = undefined
    this.#connections.delete(socket)
    this.#connections.set(socket, connection)
  }

  /** Part of a message is there since then; undefined: none is. The first moment counts. */
  partial(socket: Socket, sinceMs: number | undefined): void {
    const connection = this.#connections.get(socket)
    if (connection !== undefined) connection.partialMs = sinceMs === undefined ? undefined : (connection.partialMs ?? sinceMs)
  }

  close(socket: Socket, client: string): void {
    this.#connections.delete(socket)
    const left = (this.#perClient.get(client) ?? 1) - 1
    if (left <= 0) this.#perClient.delete(client)
    else this.#perClient.set(client, left)
  }

  /** Closes what is over its time, until aborted; then everything. */
  async run(signal: AbortSignal): Promise<void> {
    const { idleTimeout, messageTimeout } = this.#config
    while (!signal.aborted) {
      const now = this.#clock.now()
      // No time that begins during such a rest ends within it.
      let next = now + Math.min(idleTimeout, messageTimeout)
      for (const [socket, { idleMs, lastMs, partialMs }] of this.#connections) {
        const end = Math.min(lastMs + idleMs, partialMs === undefined ? Infinity : partialMs + messageTimeout)
        if (now <= end) {
          next = Math.min(next, end)
          continue
        }
        this.#counters.event('tcpTimeout')
        socket.destroy()
      }
      await this.#clock.sleep(Math.max(latenessMs, next - now), { signal }).catch(() => undefined)
    }
    for (const socket of this.#connections.keys()) socket.destroy()
  }
}
