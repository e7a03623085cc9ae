import { connect, type Socket } from 'node:net'
import type { Clock } from '@weft/daemon'

interface LifelineOptions {
  readonly port: number
  readonly clock: Clock
}

/**
 * A connection to a server of this machine on which nothing is said: the kernel closes it in the moment in which the process
 * dies, so that nobody has to ask many times a second whether it lives. Questions are left for servers that hang.
 */
export class Lifeline implements Disposable {
  readonly #options: LifelineOptions
  #held: { readonly socket: Socket, readonly closed: Promise<void> } | undefined

  constructor(options: LifelineOptions) {
    this.#options = options
  }

  /**
   * Waits so long, or until the server goes. A server that closes what is idle ends a wait as well. The connection is made
   * in one wait and looked at from the next on: one that is refused, or closed at once, makes no haste.
   */
  async pause(ms: number, signal: AbortSignal): Promise<void> {
    const sleep = this.#options.clock.sleep(ms, { signal }).catch(() => undefined)
    if (this.#held === undefined) this.#connect()
    else return await Promise.race([sleep, this.#held.closed])
    return await sleep
  }

  [Symbol.dispose](): void {
    this.#held?.socket.destroy()
  }

  #connect(): void {
    const socket = connect({ port: this.#options.port, host: '127.0.0.1' })
    const closed = new Promise<void>((resolve) => {
      // What is refused is closed too.
      socket.on('error', () => undefined)
      socket.once('close', () => {
        this.#held = undefined
        resolve()
      })
    })
    // Nothing is expected but the end, and that is only seen by who reads.
    socket.resume()
    this.#held = { socket, closed }
  }
}
