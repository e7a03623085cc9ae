import { NetlinkError } from './errors.ts'
import * as libc from './libc.ts'

const LENGTH_BYTES = 4
const CHUNK_BYTES = 1 << 16

/** Why a peer on a unix socket was not understood. */
export type FrameFault = 'ERR_FRAME_TOO_LARGE' | 'ERR_FRAME_TOO_MANY_DESCRIPTORS' | 'ERR_FRAME_CUT_SHORT' | 'ERR_FRAME_TIMEOUT'

/** The peer broke the framing, or took too long. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
  readonly code: FrameFault

  constructor(code: FrameFault, message: string) {
    super(message)
    this.code = code
  }
}

/** Bytes, and the descriptors that came with them. Who takes a frame owns its descriptors. */
export interface Frame {
  readonly data: Uint8Array
  readonly fds: readonly number[]
}

export interface FrameLimits {
  readonly maxFrameBytes: number
  readonly maxFds: number
}

/** Of all sockets: what is received is copied out before anybody else can receive. */
const chunk = new Uint8Array(CHUNK_BYTES)

/**
 * A connected unix stream that carries frames: four bytes of length, big-endian, then the bytes; descriptors
 * (SCM_RIGHTS) ride on the first byte of their frame. One reader and one writer at a time.
 */
export class FrameSocket implements Disposable {
  readonly #fd: number
  readonly #limits: FrameLimits
  #buffered: Uint8Array = new Uint8Array(0)
  #fds: number[] = []
  #open = true

  /** Takes the descriptor over. */
  constructor(fd: number, limits: FrameLimits) {
    this.#fd = fd
    this.#limits = limits
  }

  /** Between two frames. */
  get idle(): boolean {
    return this.#buffered.length === 0
  }

  /**
   * The next frame, or `undefined` when the peer has closed between two.
   *
   * @throws {FrameError} If a frame is larger than allowed, brings too many descriptors, or is cut short.
   */
  async readFrame(signal?: AbortSignal): Promise<Frame | undefined> {
    for (;;) {
      const frame = this.#takeFrame()
      if (frame !== undefined) return frame
      // One more than allowed, to see that there are too many.
      const received = libc.recvmsg(this.#fd, chunk, this.#limits.maxFds + 1)
      if (received === undefined) {
        await this.#ready('readable', signal)
        continue
      }
      this.#fds.push(...received.fds)
      if (received.truncated || this.#fds.length > this.#limits.maxFds) throw new FrameError('ERR_FRAME_TOO_MANY_DESCRIPTORS', `Cannot read frame: it brings more than ${this.#limits.maxFds} descriptors`)
      if (received.length === 0) {
        if (this.#buffered.length === 0) return undefined
        throw new FrameError('ERR_FRAME_CUT_SHORT', `Cannot read frame: the peer closed after ${this.#buffered.length} bytes of it`)
      }
      this.#buffered = Buffer.concat([this.#buffered, chunk.subarray(0, received.length)])
    }
  }

  /** Writes a frame; the descriptors stay the caller's. */
  async writeFrame(data: Uint8Array, fds: readonly number[] = [], signal?: AbortSignal): Promise<void> {
    const bytes = Buffer.allocUnsafe(LENGTH_BYTES + data.length)
    bytes.writeUInt32BE(data.length)
    bytes.set(data, LENGTH_BYTES)
    let at = 0
    while (at < bytes.length) {
      const sent = libc.sendmsg(this.#fd, bytes.subarray(at), at === 0 ? fds : [])
      if (sent === undefined) await this.#ready('writable', signal)
      else at += sent
    }
  }

  /** Closes the socket, and descriptors that nobody took. */
  [Symbol.dispose](): void {
    if (!this.#open) return
    this.#open = false
    for (const fd of this.#fds) libc.close(fd)
    libc.close(this.#fd)
  }

  #takeFrame(): Frame | undefined {
    const bytes = this.#buffered
    if (bytes.length < LENGTH_BYTES) return undefined
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
    if (length > this.#limits.maxFrameBytes) throw new FrameError('ERR_FRAME_TOO_LARGE', `Cannot read frame: it announces ${length} bytes, the most is ${this.#limits.maxFrameBytes}`)
    if (bytes.length < LENGTH_BYTES + length) return undefined
    this.#buffered = bytes.slice(LENGTH_BYTES + length)
    const fds = this.#fds
    this.#fds = []
    return { data: bytes.slice(LENGTH_BYTES, LENGTH_BYTES + length), fds }
  }

  async #ready(want: 'readable' | 'writable', signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = (): void => resolve()
    signal?.addEventListener('abort', stop, { once: true })
    {
      using _watch = libc.watch(this.#fd, want, resolve)
      await promise
    }
    signal?.removeEventListener('abort', stop)
    signal?.throwIfAborted()
  }
}

const PATH_AT = 2
const LONGEST_PATH = 107

/** struct sockaddr_un of a path. */
export function unixAddress(path: string): Uint8Array {
  const bytes = Buffer.from(path)
  if (bytes.length > LONGEST_PATH) throw new RangeError(`Cannot use unix socket "${path}": its path has ${bytes.length} bytes, the most is ${LONGEST_PATH}`)
  const address = Buffer.alloc(PATH_AT + bytes.length + 1)
  address.writeUInt16LE(libc.AF_UNIX)
  address.set(bytes, PATH_AT)
  return address
}

/**
 * Connects to a unix socket.
 *
 * @throws {NetlinkError} ENOENT without a socket file, ECONNREFUSED without a listener, EAGAIN if its queue is full.
 */
export function connectUnix(path: string): number {
  const fd = libc.socket(libc.AF_UNIX, libc.SOCK_STREAM | libc.SOCK_NONBLOCK, 0)
  try {
    libc.connect(fd, unixAddress(path))
    return fd
  } catch (error) {
    libc.close(fd)
    throw error instanceof NetlinkError ? new NetlinkError({ operation: `connect to "${path}"`, errno: error.errno }) : error
  }
}
