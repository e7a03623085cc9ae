// Read first: udp(7) (errors of a connected socket come back from its next call).
import * as libc from './libc.ts'

/**
 * A UDP socket connected to a port of 127.0.0.1 which is only looked at when its owner likes to: nothing that comes wakes the
 * process, as it would on the event loop. For questions that are asked for ever and whose answers nobody waits for.
 */
export class LoopbackUdp implements Disposable {
  readonly #fd: number

  /** @throws {NetlinkError} When the process has no descriptor left. */
  constructor(port: number) {
    this.#fd = libc.socket(libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK, 0)
    libc.connect(this.#fd, loopbackAddress(port))
  }

  /**
   * What the kernel has no room for is lost, as datagrams are.
   *
   * @throws {NetlinkError} ECONNREFUSED when nobody listened to the last one, EPERM when a filter drops it.
   */
  send(bytes: Uint8Array): void {
    libc.send(this.#fd, bytes, 0)
  }

  /**
   * The next datagram that is there.
   *
   * @returns Its length, cut to that of `into`; undefined when there is none.
   * @throws {NetlinkError} ECONNREFUSED when nobody listened to what was sent.
   */
  receive(into: Uint8Array): number | undefined {
    return libc.recv(this.#fd, into, 0)
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd)
  }
}

/** struct sockaddr_in of netinet/in.h. */
function loopbackAddress(port: number): Uint8Array {
  const address = Buffer.alloc(16)
  address.writeUInt16LE(libc.AF_INET, 0)
  address.writeUInt16BE(port, 2)
  address.set([127, 0, 0, 1], 4)
  return address
}
