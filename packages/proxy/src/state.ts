import type { Protocol } from '@weft/api'
import type { IpAddress } from '@weft/ip'
import { atOnce } from '@weft/netlink'
import type { Table, Transaction } from '@weft/nftables'
import { compileFrame, compileProxy, compileTable, compilingTable, type TableModel, tablePieces } from './compile.ts'
import { type Element, hairpinElements, nodeElements, portElements, serviceElements } from './elements.ts'
import type { NodeModel, ServiceModel, VirtualPort } from './model.ts'
import { PickChains } from './pick-chains.ts'
import { pickOf } from './pick.ts'
import { sets } from './sets.ts'
import { Pieces } from './pieces.ts'
import { type ElementChanges, SharedElements } from './shared-elements.ts'
import { affinityChains, dnsChains, pickChain, pickChainName, pickElement, type TableContext } from './table.ts'
import { type PortChanges, type Refusal, VirtualPorts } from './virtual-ports.ts'

/** A Service that changed: its new model, or undefined when it is gone. */
export interface ServiceChange {
  readonly key: string
  readonly model: ServiceModel | undefined
}

/** What a change means for the kernel. */
export interface StateChange extends PortChanges {
  /** Bring a kernel that had the state before to the state after, one after the other; see {@link Pieces}. */
  readonly transactions: readonly Transaction[]
}

/**
 * What the kernel should have, kept so that a change of a few Services becomes a transaction of their
 * elements alone. Pure bookkeeping: no I/O, no clock.
 */
export class ProxyState {
  readonly #elements = new SharedElements()
  readonly #chains = new PickChains()
  readonly #ports = new VirtualPorts()
  readonly #services = new Map<string, ServiceModel>()
  /** How many addresses of the DNS Service a server on this node answers for. */
  #dnsServers = 0
  #node: NodeModel

  constructor(node: NodeModel) {
    this.#node = node
  }

  get node(): NodeModel {
    return this.#node
  }

  /** How many Services are served. */
  get size(): number {
    return this.#services.size
  }

  /** All ports that are served, in no particular order. */
  served(): Iterable<VirtualPort> {
    return this.#ports.served()
  }

  get(key: string): ServiceModel | undefined {
    return this.#services.get(key)
  }

  /** The whole table as wanted now. */
  table(): Table {
    return compileTable(this.#model)
  }

  /** The same, interrupted now and then. */
  tabling(): Generator<void, Table> {
    return compilingTable(this.#model)
  }

  /** The same for a kernel that has none; see {@link tablePieces}. */
  pieces(): Generator<Transaction, void> {
    return tablePieces(this.#model, this.#context)
  }

  /** Services that name an address, in order. */
  servicesAt(ip: IpAddress): readonly string[] {
    return this.#ports.keysAt(ip)
  }

  /** The port that is served there. */
  port(ip: IpAddress, protocol: Protocol, port: number): VirtualPort | undefined {
    return this.#ports.get(ip, protocol, port)
  }

  /** The part of the table that decides about packets to an address: what other Services have is left out. In the size of that part. */
  tableAt(ip: IpAddress): Table {
    return compileProxy(this.#node, this.servicesAt(ip).flatMap((key) => this.#services.get(key) ?? []))
  }

  /** The table with all its chains, and without elements. */
  frame(): Table {
    return compileFrame(this.#context)
  }

  get #model(): TableModel {
    return { node: this.#node, services: this.#services.values(), ports: this.#ports }
  }

  get #context(): TableContext {
    return { node: this.#node, codes: { 4: this.#chains.codes(4), 6: this.#chains.codes(6) }, hasDns: this.#dnsServers > 0 }
  }

  /** Takes all Services in, when there are none yet: what {@link apply} does, without the account of it; in turns. */
  *load(models: Iterable<ServiceModel>): Generator<void, readonly Refusal[]> {
    for (const model of models) {
      this.#services.set(model.key, model)
      this.#dnsServers += model.localDns.length
      this.#elements.add(serviceElements(model))
      yield
    }
    const refused = yield* this.#ports.load(this.#services.values())
    for (const port of this.#ports.served()) {
      this.#elements.add(hairpinElements(port))
      this.#chains.add(port)
      yield
    }
    return refused
  }

  /**
   * Takes changes in.
   *
   * @param changes Of several about one Service the last counts.
   * @param node Its addresses and pod ranges must be those of before: they are in Services and chains.
   */
  apply(changes: readonly ServiceChange[], node: NodeModel = this.#node): StateChange {
    return atOnce(this.applying(changes, node))
  }

  /** {@link apply}, interrupted now and then: until it is done nobody else may change this. */
  *applying(changes: readonly ServiceChange[], node: NodeModel = this.#node): Generator<void, StateChange> {
    const models = [...new Map(changes.map(({ key, model }) => [key, model]))].map(([key, now]) => ({ key, old: this.#services.get(key), now }))
    const ports = yield* this.#ports.replacing(models)
    const before = yield* elementsOf(ports.before, models.flatMap(({ old }) => old ?? []))
    const after = yield* elementsOf(ports.after, models.flatMap(({ now }) => now ?? []))
    if (node !== this.#node) {
      before.push(...nodeElements(this.#node))
      after.push(...nodeElements(node))
      this.#node = node
    }
    const hadDns = this.#dnsServers > 0
    for (const { key, old, now } of models) {
      this.#dnsServers += (now?.localDns.length ?? 0) - (old?.localDns.length ?? 0)
      if (now === undefined) this.#services.delete(key)
      else this.#services.set(key, now)
    }
    return { ...ports, transactions: this.#transactions(yield* this.#elements.replacing(before, after), hadDns) }
  }

  #transactions(elements: ElementChanges, hadDns: boolean): readonly Transaction[] {
    const hadAffinity = this.#chains.hasAffinity
    const { created, retired } = this.#chains.change(elements)
    const { hasAffinity } = this.#chains
    const hasDns = this.#dnsServers > 0
    const pieces = new Pieces(elements)
    for (const { family, code } of created) pieces.last.addChain(pickChain(family, pickOf(code)!)).addElements(sets[family].pick, [pickElement(family, code)])
    if (hasAffinity && !hadAffinity) for (const each of affinityChains()) pieces.last.addChain(each)
    if (hasDns && !hadDns) for (const each of dnsChains()) pieces.last.addChain(each)
    pieces.putAll()
    for (const { family, code } of retired) pieces.last.deleteElements(sets[family].pick, [pickElement(family, code)]).deleteChain(pickChainName(family, pickOf(code)!))
    if (hadAffinity && !hasAffinity) for (const { name } of affinityChains()) pieces.last.deleteChain(name)
    if (hadDns && !hasDns) for (const { name } of dnsChains().toReversed()) pieces.last.deleteChain(name)
    return pieces.all
  }
}

function* elementsOf(ports: readonly VirtualPort[], models: readonly ServiceModel[]): Generator<void, Element[]> {
  const elements: Element[] = []
  let turn = 0
  for (const port of ports) {
    for (const element of portElements(port)) elements.push(element)
    if (elements.length - turn < perTurn) continue
    turn = elements.length
    yield
  }
  for (const model of models) elements.push(...serviceElements(model))
  return elements
}

/** So many elements are made before others get a turn. */
const perTurn = 1000
