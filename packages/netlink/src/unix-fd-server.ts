import { chmodSync, rmSync } from 'node:fs'
import type { Deadlines } from '@weft/daemon'
import { NetlinkError, isNotFound } from './errors.ts'
import { FrameError, FrameSocket, connectUnix, unixAddress } from './frame-socket.ts'
import type { Frame, FrameLimits } from './frame-socket.ts'
import * as libc from './libc.ts'

const DEFAULT_LIMITS: FrameLimits = { maxFrameBytes: 1 << 20, maxFds: 8 }
const DEFAULT_DEADLINE_MS = 10_000
const DEFAULT_CONNECTIONS = 256
const DEFAULT_MODE = 0o600
const BACKLOG = 128
const UCRED_LENGTH = 12
/** How long accepting rests when the process has run out of descriptors. */
const REST_MS = 100

/** Who is at the other end (SO_PEERCRED), as the kernel knows it. */
export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** A frame that came in. The descriptors belong to whoever takes it: close them, or hand them on. */
export interface FdRequest extends Frame {
  readonly peer: PeerCredentials
  /** Aborted when the server is disposed. */
  readonly signal: AbortSignal
  /** Answers. Only then is the connection's next frame read. A peer that has gone is no error. */
  reply(data: Uint8Array, fds?: readonly number[]): Promise<void>
}

export interface UnixFdServerOptions {
  readonly path: string
  /** Its own: disposing the server calls them off. */
  readonly deadlines: Deadlines
  /** @default 0o600 */
  readonly mode?: number | undefined
  /** @default 1 MiB */
  readonly maxFrameBytes?: number | undefined
  /** Descriptors in one frame. @default 8 */
  readonly maxFds?: number | undefined
  /** A frame must be complete, and an answer taken, within this time. @default 10,000 */
  readonly deadlineMs?: number | undefined
  /** More than this wait in the listener's queue. @default 256 */
  readonly maxConnections?: number | undefined
  /** Told of peers that broke the framing or were too slow; their connection is closed. */
  readonly onFault?: ((error: unknown, peer: PeerCredentials) => void) | undefined
}

/**
 * A unix stream server for frames with file descriptors: `for await (const request of server)`.
 * It watches its descriptors on the event loop; sizes, descriptors, connections and times are bounded.
 */
export class UnixFdServer implements AsyncDisposable {
  readonly #options: UnixFdServerOptions
  readonly #limits: FrameLimits
  readonly #fd: number
  readonly #stop = new AbortController()
  readonly #connections = new Set<Promise<void>>()
  readonly #queue: FdRequest[] = []
  #wake: (() => void) | undefined
  #watch: libc.FdWatch | undefined

  private constructor(fd: number, options: UnixFdServerOptions) {
    this.#fd = fd
    this.#options = options
    this.#limits = { maxFrameBytes: options.maxFrameBytes ?? DEFAULT_LIMITS.maxFrameBytes, maxFds: options.maxFds ?? DEFAULT_LIMITS.maxFds }
    this.#listen()
  }

  /**
   * Listens. A socket file that nobody listens on is taken away first.
   *
   * @throws {NetlinkError} EADDRINUSE if somebody listens there already.
   */
  static listen(options: UnixFdServerOptions): UnixFdServer {
    const { path } = options
    removeStale(path)
    const fd = libc.socket(libc.AF_UNIX, libc.SOCK_STREAM | libc.SOCK_NONBLOCK, 0)
    try {
      libc.bind(fd, unixAddress(path))
      // Before listen nobody can connect, so there is no moment with a wider mode.
      chmodSync(path, options.mode ?? DEFAULT_MODE)
      libc.listen(fd, BACKLOG)
    } catch (error) {
      libc.close(fd)
      throw error
    }
    return new UnixFdServer(fd, options)
  }

  /** Requests in the order they became complete; ends when the server is disposed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<FdRequest, void, undefined> {
    for (;;) {
      const request = this.#queue.shift()
      if (request !== undefined) {
        yield request
        continue
      }
      if (this.#stop.signal.aborted) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Stops listening, ends the connections and removes the socket file. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    this.#options.deadlines.callOff(this.#stop.signal.reason)
    this.#rest()
    libc.close(this.#fd)
    rmSync(this.#options.path, { force: true })
    for (const request of this.#queue.splice(0)) closeAll(request.fds)
    this.#wake?.()
    await Promise.all(this.#connections)
  }

  #listen(): void {
    if (this.#stop.signal.aborted || this.#watch !== undefined) return
    this.#watch = libc.watch(this.#fd, 'readable', () => this.#accept())
  }

  #rest(): void {
    this.#watch?.[Symbol.dispose]()
    this.#watch = undefined
  }

  #accept(): void {
    while (this.#connections.size < (this.#options.maxConnections ?? DEFAULT_CONNECTIONS)) {
      let fd: number | undefined
      try {
        fd = libc.accept(this.#fd)
      } catch (error) {
        // Out of descriptors: the peer stays in the queue, and looking again at once would only spin.
        if (!(error instanceof NetlinkError)) throw error
        this.#rest()
        this.#listenAgain()
        return
      }
      if (fd === undefined) return
      const connection = this.#serve(fd)
      this.#connections.add(connection)
      void this.#forget(connection)
    }
    this.#rest()
  }

  #listenAgain(): void {
    // Aborted by time or by the end of the server, which no longer listens.
    this.#options.deadlines.start(REST_MS, () => new FrameError('ERR_FRAME_TIMEOUT', 'Cannot rest longer: it is time to listen')).signal.addEventListener('abort', () => this.#listen(), { once: true })
  }

  async #forget(connection: Promise<void>): Promise<void> {
    await connection
    this.#connections.delete(connection)
    this.#listen()
  }

  /** One connection: a frame, its answer, the next frame. Never rejects. */
  async #serve(fd: number): Promise<void> {
    using socket = new FrameSocket(fd, this.#limits)
    const credentials = libc.getsockopt(fd, libc.SOL_SOCKET, libc.SO_PEERCRED, UCRED_LENGTH)
    const peer = { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4), gid: credentials.readUInt32LE(8) }
    try {
      for (;;) {
        const frame = await this.#timed((signal) => socket.readFrame(signal))
        if (frame === undefined) return
        await this.#handOver(socket, frame, peer)
      }
    } catch (error) {
      // A connection that lay idle is closed without a word.
      const idle = error instanceof FrameError && error.code === 'ERR_FRAME_TIMEOUT' && socket.idle
      if (!idle && !this.#stop.signal.aborted) this.#options.onFault?.(error, peer)
    }
  }

  /** Resolves when the request has been answered and the answer taken. */
  async #handOver(socket: FrameSocket, frame: Frame, peer: PeerCredentials): Promise<void> {
    if (this.#stop.signal.aborted) return closeAll(frame.fds)
    const { signal } = this.#stop
    const answered = Promise.withResolvers<void>()
    const reply = async (data: Uint8Array, fds: readonly number[] = []): Promise<void> => {
      try {
        await this.#timed((limit) => socket.writeFrame(data, fds, limit))
        answered.resolve()
      } catch (error) {
        answered.reject(error)
      }
    }
    const stop = (): void => answered.resolve()
    signal.addEventListener('abort', stop, { once: true })
    this.#queue.push({ ...frame, peer, signal, reply })
    this.#wake?.()
    await answered.promise
    signal.removeEventListener('abort', stop)
  }

  /** Runs a step with the deadline and the end of the server as its signal. */
  async #timed<T>(step: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const ms = this.#options.deadlineMs ?? DEFAULT_DEADLINE_MS
    using deadline = this.#options.deadlines.start(ms, () => new FrameError('ERR_FRAME_TIMEOUT', `Cannot finish frame: ${ms} ms are over`))
    return await step(deadline.signal)
  }
}

/**
 * Sends one frame to a {@link UnixFdServer} and waits for the answer.
 *
 * @param options.fds Descriptors to go along; they stay the caller's.
 * @returns The answer; its descriptors are the caller's to close.
 */
export async function sendWithFds(path: string, data: Uint8Array, options: { readonly fds?: readonly number[] | undefined, readonly signal?: AbortSignal | undefined } = {}): Promise<Frame> {
  using socket = new FrameSocket(connectUnix(path), DEFAULT_LIMITS)
  await socket.writeFrame(data, options.fds, options.signal)
  const answer = await socket.readFrame(options.signal)
  if (answer === undefined) throw new FrameError('ERR_FRAME_CUT_SHORT', `Cannot read answer from "${path}": the peer closed without one`)
  return answer
}

function removeStale(path: string): void {
  try {
    libc.close(connectUnix(path))
  } catch (error) {
    if (isNotFound(error)) return
    if (error instanceof NetlinkError && error.code === 'ECONNREFUSED') return rmSync(path, { force: true })
    throw error
  }
  throw new NetlinkError({ operation: `listen on "${path}"`, errno: EADDRINUSE })
}

const EADDRINUSE = 98

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) libc.close(fd)
}
