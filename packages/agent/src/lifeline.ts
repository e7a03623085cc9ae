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
  #socket: Socket | undefined
  /** Ends the wait under way. Not a promise that lasts as long as the connection: that would remember every wait for it. */
  #onGone: (() => void) | undefined

  constructor(options: LifelineOptions) {
    this.#options = options
  }

  /**
   * Waits so long, or until the server goes. A server that closes what is idle ends a wait as well. The connection is made
   * in one wait and looked at from the next on: one that is refused, or closed at once, makes no haste.
   *
   * @returns True when it went.
   */
  async pause(ms: number, signal: AbortSignal): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const isOver = (): void => resolve(false)
    if (this.#socket === undefined) this.#connect()
    else this.#onGone = () => resolve(true)
    this.#options.clock.sleep(ms, { signal }).then(isOver, isOver)
    const went = await promise
    this.#onGone = undefined
    return went
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy()
  }

  #connect(): void {
    const socket = connect({ port: this.#options.port, host: '127.0.0.1' })
    this.#socket = socket
    // What is refused is closed too.
    socket.on('error', () => undefined)
    socket.once('close', () => {
      this.#socket = undefined
      this.#onGone?.()
    })
    // Nothing is expected but the end, and that is only seen by who reads.
    socket.resume()
  }
}
