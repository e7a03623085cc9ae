import * as k from './kernel-constants.gen.ts'
import * as libc from './libc.ts'
import { NetlinkDecodeError } from './errors.ts'
import { decodeMessages } from './message.ts'
import type { NetlinkMessage } from './message.ts'
import type { Names } from './names.ts'
import type { NetlinkProtocol } from './netlink-protocol.ts'
import { NetlinkSocket } from './socket.ts'

/** What rtnetlink tells of. */
export type RouteGroup = 'link' | 'neighbour' | 'address4' | 'address6' | 'route4' | 'route6' | 'rule4' | 'rule6'
/** What nfnetlink tells of. */
export type NetfilterGroup = 'conntrackNew' | 'conntrackUpdate' | 'conntrackDestroy' | 'nftables'

const ROUTE_GROUPS: Names<RouteGroup> = new Map([
  ['link', k.RTNLGRP_LINK],
  ['neighbour', k.RTNLGRP_NEIGH],
  ['address4', k.RTNLGRP_IPV4_IFADDR],
  ['address6', k.RTNLGRP_IPV6_IFADDR],
  ['route4', k.RTNLGRP_IPV4_ROUTE],
  ['route6', k.RTNLGRP_IPV6_ROUTE],
  ['rule4', k.RTNLGRP_IPV4_RULE],
  ['rule6', k.RTNLGRP_IPV6_RULE],
])

const NETFILTER_GROUPS: Names<NetfilterGroup> = new Map([
  ['conntrackNew', k.NFNLGRP_CONNTRACK_NEW],
  ['conntrackUpdate', k.NFNLGRP_CONNTRACK_UPDATE],
  ['conntrackDestroy', k.NFNLGRP_CONNTRACK_DESTROY],
  ['nftables', k.NFNLGRP_NFTABLES],
])

export interface MonitorOptions {
  /** All of one kind: a socket speaks rtnetlink or nfnetlink. */
  readonly groups: readonly RouteGroup[] | readonly NetfilterGroup[]
  /** Path of a network namespace; the caller's own when absent. */
  readonly netns?: string | undefined
  /** Ends the iteration. */
  readonly signal: AbortSignal
}

/** A notification, or `overrun`: some were lost, so read the state again. */
export type MonitorEvent = NetlinkMessage | 'overrun'

/** Messages kept for a slow reader; beyond it they are dropped and an overrun says so. */
const LONGEST_QUEUE = 65_536
/** Datagrams read before other work gets a turn. */
const DATAGRAMS_PER_TURN = 64

/**
 * Subscribes to kernel notifications. When the promise resolves the subscription stands, so what is read
 * afterwards misses nothing: subscribe, list, then follow.
 *
 * ```ts
 * const events = await monitor({ groups: ['link'], signal })
 * let links = socket.links()
 * for await (const event of events) …
 * ```
 *
 * Ends when the signal aborts. It never keeps the process alive.
 */
export async function monitor(options: MonitorOptions): Promise<AsyncIterable<MonitorEvent>> {
  const { protocol, numbers } = groupsOf(options.groups)
  const socket = await NetlinkSocket.open(protocol, { netns: options.netns })
  for (const number of numbers) socket.join(number)
  return follow(socket, options.signal)
}

/**
 * Reads what an event is about. One that cannot be read is as good as lost, and told as `overrun`: a list tells what it would
 * have said, and the reader goes on.
 */
export function readEvent<T>(event: MonitorEvent, decode: (message: NetlinkMessage) => T): T | 'overrun' {
  if (event === 'overrun') return event
  try {
    return decode(event)
  } catch (error) {
    if (error instanceof NetlinkDecodeError) return 'overrun'
    throw error
  }
}

/** What a monitor needs of a socket. */
type DatagramSource = Pick<NetlinkSocket, 'fd' | 'recvRaw' | typeof Symbol.dispose>

/** What the kernel sends to a socket unasked, until the signal aborts; then the socket is closed. */
export function follow(socket: DatagramSource, signal: AbortSignal): AsyncIterable<MonitorEvent> {
  return new Monitor(socket, signal)
}

class Monitor implements AsyncIterable<MonitorEvent> {
  readonly #socket: DatagramSource
  readonly #signal: AbortSignal
  readonly #watch: libc.FdWatch
  readonly #queue: MonitorEvent[] = []
  /** Messages were lost, and the socket's buffer has not been empty since. */
  #lost = false
  #wake: (() => void) | undefined
  readonly #stop = (): void => this.#close()

  constructor(socket: DatagramSource, signal: AbortSignal) {
    this.#socket = socket
    this.#signal = signal
    this.#watch = libc.watch(socket.fd, 'readable', () => this.#read())
    this.#watch.unref()
    if (signal.aborted) this.#close()
    else signal.addEventListener('abort', this.#stop, { once: true })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<MonitorEvent, void, undefined> {
    try {
      while (!this.#signal.aborted) {
        // Cutting the queue off whole keeps a long one from being moved once per event.
        const events = this.#queue.splice(0)
        if (events.length === 0) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
        for (const event of events) {
          if (this.#signal.aborted) return
          yield event
        }
      }
    } finally {
      this.#close()
    }
  }

  #read(): void {
    for (let datagrams = 0; datagrams < DATAGRAMS_PER_TURN; datagrams++) {
      const bytes = this.#socket.recvRaw()
      if (bytes === undefined) {
        // A socket that overflowed stays shut, without a further word, until its buffer is empty: only a list
        // read after that misses nothing. So the overrun is told now and not when it was seen.
        if (this.#lost) this.#queue.push('overrun')
        this.#lost = false
        break
      }
      if (bytes === 'overrun' || this.#queue.length >= LONGEST_QUEUE) this.#lose()
      else if (!this.#lost) this.#take(bytes)
    }
    this.#wake?.()
  }

  /** What cannot be read is as good as lost: a list tells what it would have said. */
  #take(bytes: Uint8Array): void {
    try {
      this.#queue.push(...decodeMessages(bytes))
    } catch (error) {
      if (!(error instanceof NetlinkDecodeError)) throw error
      this.#lose()
    }
  }

  /** What was not read yet is older than the list that the overrun calls for. */
  #lose(): void {
    this.#lost = true
    this.#queue.length = 0
  }

  #close(): void {
    this.#signal.removeEventListener('abort', this.#stop)
    this.#watch[Symbol.dispose]()
    this.#socket[Symbol.dispose]()
    this.#wake?.()
  }
}

function groupsOf(groups: MonitorOptions['groups']): { readonly protocol: NetlinkProtocol, readonly numbers: readonly number[] } {
  const numbers = (names: ReadonlyMap<string, number>): number[] => groups.map((group) => names.get(group)).filter((number) => number !== undefined)
  const route = numbers(ROUTE_GROUPS)
  return route.length > 0 ? { protocol: 'route', numbers: route } : { protocol: 'netfilter', numbers: numbers(NETFILTER_GROUPS) }
}
