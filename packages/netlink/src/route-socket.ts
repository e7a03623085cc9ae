import { randomInt } from 'node:crypto'
import type { Family, IfIndex, IpAddress } from '@weft/ip'
import { decodeInterfaceAddress, listAddressesRequest } from './address.ts'
import type { InterfaceAddress, InterfaceAddressSpec } from './address.ts'
import { tbfPresent } from './capability-probes.ts'
import { NetlinkError, isNotFound } from './errors.ts'
import type { Outcome } from './exchange.ts'
import { addLinkRequest, decodeLink, deleteLinkGroupRequest, deleteLinkRequest, getLinkRequest, listLinksRequest, setBridgePortRequest, setLinkRequest } from './link.ts'
import type { Link } from './link.ts'
import type { BridgePortChange, LinkChange, LinkSpec } from './link-spec.ts'
import type { NetlinkMessage, NetlinkRequest } from './message.ts'
import { decodeFdbEntry, decodeNeighbour, listFdbRequest, listNeighboursRequest } from './neighbour.ts'
import type { FdbEntry, FdbSpec, Neighbour, NeighbourSpec } from './neighbour.ts'
import { requests } from './requests.ts'
import { decodeTokenBucket, listQdiscsRequest } from './qdisc.ts'
import type { TokenBucket } from './qdisc.ts'
import { decodeRoute, getRouteRequest, listRoutesRequest } from './route.ts'
import type { Route, RouteFilter, RouteSpec } from './route.ts'
import { decodeRule, listRulesRequest } from './rule.ts'
import type { Rule, RuleSpec } from './rule.ts'
import { NetlinkSocket } from './socket.ts'
import type { NetlinkSocketOptions } from './socket.ts'

/**
 * Links, addresses, routes, rules, neighbours and forwarding entries of one network namespace.
 * Every verb is one request; it throws {@link NetlinkError} when the kernel refuses.
 */
export class RouteSocket implements Disposable {
  readonly socket: NetlinkSocket

  private constructor(socket: NetlinkSocket) {
    this.socket = socket
  }

  /** Opens a socket, in another network namespace if `netns` names one. */
  static async open(options: NetlinkSocketOptions = {}): Promise<RouteSocket> {
    return new RouteSocket(await NetlinkSocket.open('route', options))
  }

  /** Opens a socket in the caller's own network namespace. */
  static openHere(): RouteSocket {
    return new RouteSocket(NetlinkSocket.openHere('route'))
  }

  /** Takes over an rtnetlink socket opened elsewhere, e.g. in a pod's namespace by the CNI plugin: for a few requests, so its buffers stay as they are. */
  static fromFd(fd: number): RouteSocket {
    return new RouteSocket(NetlinkSocket.fromFd(fd, 'route', { growBuffers: false }))
  }

  /** All links, or those of one kind. */
  links(filter: { readonly kind?: string | undefined } = {}): Link[] {
    const links = this.socket.dump(listLinksRequest(filter.kind)).map(decodeLink)
    return filter.kind === undefined ? links : links.filter((link) => link.kind === filter.kind)
  }

  /** @throws {NetlinkError} ENODEV if there is no such link. */
  link(nameOrIndex: string | IfIndex): Link {
    return decodeLink(only(this.socket.request(getLinkRequest(nameOrIndex)), `read link "${nameOrIndex}"`))
  }

  /** {@link link}, but `undefined` if there is none. */
  findLink(nameOrIndex: string | IfIndex): Link | undefined {
    try {
      return this.link(nameOrIndex)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /**
   * Makes a link and reads it back, in one system call. For a link made in another namespace (`netnsFd`)
   * there is nothing to read here: use {@link transact}.
   *
   * @throws {NetlinkError} EEXIST if the name is taken, EOPNOTSUPP if the kernel lacks the kind.
   */
  addLink(spec: LinkSpec): Link {
    return linkOf(spec, this.transact(addAndRead(spec)))
  }

  /** {@link addLink}, sent from another thread: a pair takes the kernel some 0.3 ms. */
  async addLinkAsync(spec: LinkSpec): Promise<Link> {
    return linkOf(spec, await this.transactAsync(addAndRead(spec)))
  }

  setLink(index: IfIndex, change: LinkChange): void {
    this.socket.request(setLinkRequest(index, change))
  }

  setBridgePort(index: IfIndex, change: BridgePortChange): void {
    this.socket.request(setBridgePortRequest(index, change))
  }

  /** Deletes a link. This keeps the kernel, and so the caller, busy for some 36 ms: see {@link deleteLinks}. */
  deleteLink(index: IfIndex): void {
    this.socket.request(deleteLinkRequest(index))
  }

  /**
   * Deletes links, a hundred in the time of one, without keeping the event loop waiting.
   * Links that are gone already are no error.
   */
  async deleteLinks(indexes: readonly IfIndex[]): Promise<void> {
    if (indexes.length === 0) return
    if (indexes.length === 1) return forgive(await this.socket.batchAsync([deleteLinkRequest(indexes[0]!)]))
    // The kernel waits for its readers once per request, and a group is one request. The number is nobody else's.
    const group = randomInt(1 << 24, 2 ** 31)
    const marked: Outcome[] = []
    for (const part of chunk(indexes.map((index) => setLinkRequest(index, { group })))) marked.push(...await this.socket.batchAsync(part))
    forgive(marked)
    if (marked.every((outcome) => outcome.error !== undefined)) return
    const [outcome] = await this.socket.batchAsync([deleteLinkGroupRequest(group)])
    // One link that cannot be deleted (EPERM, EOPNOTSUPP) saves the whole group: find out which.
    if (outcome!.error !== undefined && !isNotFound(outcome!.error)) forgive(await this.socket.batchAsync(indexes.map(deleteLinkRequest)))
  }

  addresses(filter: { readonly ifIndex?: IfIndex | undefined, readonly family?: Family | undefined } = {}): InterfaceAddress[] {
    const found = this.#dumpIfAny(listAddressesRequest(filter)).map(decodeInterfaceAddress)
    return found.filter((address) => address !== undefined).filter((address) => filter.ifIndex === undefined || address.ifIndex === filter.ifIndex)
  }

  addAddress(spec: InterfaceAddressSpec): void {
    this.socket.request(requests.addAddress(spec))
  }

  /** Adds the address or, if it is there, changes its flags and lifetimes. */
  replaceAddress(spec: InterfaceAddressSpec): void {
    this.socket.request(requests.replaceAddress(spec))
  }

  deleteAddress(spec: InterfaceAddressSpec): void {
    this.socket.request(requests.deleteAddress(spec))
  }

  /** Routes of both families unless `family` says which, of all tables unless `table` does (main is 254, local 255). */
  routes(filter: RouteFilter = {}): Route[] {
    const families: readonly Family[] = filter.family === undefined ? [4, 6] : [filter.family]
    return families
      .flatMap((family) => this.#dumpIfAny(listRoutesRequest(family, filter)).map(decodeRoute))
      .filter((route) => route !== undefined)
      .filter((route) => (filter.table === undefined || route.table === filter.table) && (filter.protocol === undefined || route.protocol === filter.protocol))
  }

  /** The route a packet to `to` would take; `undefined` if there is none. */
  lookupRoute(to: IpAddress, options: { readonly from?: IpAddress | undefined, readonly mark?: number | undefined, readonly ifIndex?: IfIndex | undefined } = {}): Route | undefined {
    try {
      return decodeRoute(only(this.socket.request(getRouteRequest(to, options)), 'look up route'))
    } catch (error) {
      if (error instanceof NetlinkError && (error.code === 'ENETUNREACH' || error.code === 'EHOSTUNREACH')) return undefined
      throw error
    }
  }

  /** Whether the kernel has token buckets (sch_tbf). @throws {NetlinkError} EPERM without CAP_NET_ADMIN. */
  hasTokenBuckets(): boolean {
    return tbfPresent(this.socket)
  }

  /** Token buckets of all links of this namespace. */
  tokenBuckets(): TokenBucket[] {
    return this.socket.dump(listQdiscsRequest()).map(decodeTokenBucket).filter((bucket) => bucket !== undefined)
  }

  addRoute(spec: RouteSpec): void {
    this.socket.request(requests.addRoute(spec))
  }

  /** Adds the route or takes the place of the one with the same destination, table and metric. */
  replaceRoute(spec: RouteSpec): void {
    this.socket.request(requests.replaceRoute(spec))
  }

  /** Deletes the first route that has everything `spec` says; what it leaves out matches anything. */
  deleteRoute(spec: RouteSpec): void {
    this.socket.request(requests.deleteRoute(spec))
  }

  rules(filter: { readonly family?: Family | undefined } = {}): Rule[] {
    const families: readonly Family[] = filter.family === undefined ? [4, 6] : [filter.family]
    return families.flatMap((family) => this.socket.dump(listRulesRequest(family)).map(decodeRule)).filter((rule) => rule !== undefined)
  }

  /** @throws {NetlinkError} EEXIST if the very same rule is there. */
  addRule(spec: RuleSpec): void {
    this.socket.request(requests.addRule(spec))
  }

  deleteRule(spec: RuleSpec): void {
    this.socket.request(requests.deleteRule(spec))
  }

  neighbours(filter: { readonly family?: Family | undefined, readonly ifIndex?: IfIndex | undefined, readonly proxy?: boolean | undefined } = {}): Neighbour[] {
    const found = this.socket.dump(listNeighboursRequest(filter)).map(decodeNeighbour)
    return found.filter((neighbour) => neighbour !== undefined).filter((neighbour) => filter.ifIndex === undefined || neighbour.ifIndex === filter.ifIndex)
  }

  replaceNeighbour(spec: NeighbourSpec): void {
    this.socket.request(requests.replaceNeighbour(spec))
  }

  deleteNeighbour(spec: NeighbourSpec): void {
    this.socket.request(requests.deleteNeighbour(spec))
  }

  /** Forwarding entries of a VXLAN link, a bridge or a bridge's port; of all links without one. */
  fdb(ifIndex?: IfIndex): FdbEntry[] {
    const found = this.socket.dump(listFdbRequest(ifIndex)).map(decodeFdbEntry)
    return found.filter((entry) => entry !== undefined).filter((entry) => ifIndex === undefined || entry.ifIndex === ifIndex)
  }

  /** Adds one more place for the MAC address: all-zeros with several places floods to all of them. */
  appendFdb(spec: FdbSpec): void {
    this.socket.request(requests.appendFdb(spec))
  }

  /** Sets the place of the MAC address. All-zeros entries are lists: append to them and delete from them. */
  replaceFdb(spec: FdbSpec): void {
    this.socket.request(requests.replaceFdb(spec))
  }

  deleteFdb(spec: FdbSpec): void {
    this.socket.request(requests.deleteFdb(spec))
  }

  /**
   * Carries requests out with one system call, in order, each whatever becomes of the others: build them with
   * {@link requests}. Nothing is thrown; {@link ensureDone} does so for callers that need all of them.
   */
  transact(list: readonly NetlinkRequest[]): Outcome[] {
    return list.length === 0 ? [] : chunk(list).flatMap((part) => this.socket.batch(part))
  }

  /** {@link transact}, sent from another thread: the event loop goes on while the kernel works. */
  async transactAsync(list: readonly NetlinkRequest[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    for (const part of list.length === 0 ? [] : chunk(list)) outcomes.push(...await this.socket.batchAsync(part))
    return outcomes
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]()
  }

  /** A filtered dump says ENOENT or ENODEV where an unfiltered one would be empty. */
  #dumpIfAny(request: NetlinkRequest): NetlinkMessage[] {
    try {
      return this.socket.dump(request)
    } catch (error) {
      if (isNotFound(error)) return []
      throw error
    }
  }
}

function addAndRead(spec: LinkSpec): readonly NetlinkRequest[] {
  return [addLinkRequest(spec), getLinkRequest(spec.name)]
}

function linkOf(spec: LinkSpec, [added, read]: readonly Outcome[]): Link {
  if (added!.error !== undefined) throw added!.error
  if (read!.error !== undefined) throw read!.error
  return decodeLink(only(read!.messages, `read link "${spec.name}"`))
}

/** Throws the first error of a batch, or all of them as an AggregateError when there are several. */
export function ensureDone(outcomes: readonly Outcome[]): void {
  const errors = outcomes.map((outcome) => outcome.error).filter((error) => error !== undefined)
  if (errors.length === 1) throw errors[0]!
  if (errors.length > 1) throw new AggregateError(errors, errors[0]!.message)
}

/** Throws what is not "gone already". */
function forgive(outcomes: readonly Outcome[]): void {
  ensureDone(outcomes.filter((outcome) => !isNotFound(outcome.error)))
}

function only(messages: readonly NetlinkMessage[], operation: string): NetlinkMessage {
  const [message] = messages
  if (message === undefined) throw new NetlinkError({ operation, errno: ENOMSG })
  return message
}

const ENOMSG = 42

/** Errors of a batch wait in the receive buffer: keep it from overflowing, and the message below the default send buffer. */
const LARGEST_BATCH = 200

function chunk(list: readonly NetlinkRequest[]): (readonly NetlinkRequest[])[] {
  const parts: (readonly NetlinkRequest[])[] = []
  for (let at = 0; at < list.length; at += LARGEST_BATCH) parts.push(list.slice(at, at + LARGEST_BATCH))
  return parts
}
