import { protocolNumbers } from '@weft/api'
import { AddressBook, type Holding } from './address-book.ts'
import type { PolicyNamespace, PolicyPod } from './model.ts'
import { families, type Family, portSetName, selectorSetName } from './names.ts'
import { namespacesOf, type PeerSelector, selects } from './peer-selector.ts'
import { References } from './references.ts'
import type { NamedPort, UsedSets } from './rule-compiler.ts'
import type { TableDraft } from './table-draft.ts'
import { addressSet, socketSet } from './table.ts'

type Names = Readonly<Record<Family, string>>

interface SelectorSet {
  readonly selector: PeerSelector
  readonly names: Names
}

interface PortSet {
  readonly named: NamedPort
  readonly names: Names
  /** Port numbers each address is in the set with. */
  readonly held: Map<string, readonly number[]>
}

/**
 * Sets of addresses that selectors and named ports stand for, shared by all policies that name the same. A pod costs as
 * much as there are sets; a set that is new as much as there are pods; one that goes as much as it holds.
 */
export class PeerSets {
  readonly #draft: TableDraft
  readonly #namespaces: ReadonlyMap<string, PolicyNamespace>
  readonly #addresses = new AddressBook()
  readonly #selectors = new References<SelectorSet>()
  readonly #ports = new References<PortSet>()
  readonly #contents = new References<string>()

  constructor(draft: TableDraft, namespaces: ReadonlyMap<string, PolicyNamespace>) {
    this.#draft = draft
    this.#namespaces = namespaces
  }

  get selectors(): number {
    return this.#selectors.size
  }

  /** Keys of the pods that an address, as text, may belong to. */
  podsAt(address: string): readonly string[] {
    return this.#addresses.ownersOf(address).map(({ key }) => key)
  }

  /** @param pod Undefined when it is gone. */
  setPod(key: string, pod: PolicyPod | undefined): void {
    for (const holding of this.#addresses.set(key, pod)) this.#refresh(holding)
  }

  /** The labels of a namespace changed. */
  refreshNamespace(name: string): void {
    for (const holding of this.#addresses.in(name)) this.#refresh(holding)
  }

  acquire({ selectors, namedPorts, contents }: Pick<UsedSets, 'selectors' | 'namedPorts' | 'contents'>): void {
    for (const selector of selectors) {
      const names = { 4: selectorSetName(4, selector.id), 6: selectorSetName(6, selector.id) }
      const set: SelectorSet = { selector, names }
      if (!this.#selectors.add(selector.id, set)) continue
      for (const family of families) this.#draft.putSet(addressSet(names[family], family, selector.text))
      for (const holding of this.#candidates(selector)) this.#refreshSelector(set, holding)
    }
    for (const named of namedPorts) {
      const names = { 4: portSetName(4, named.id), 6: portSetName(6, named.id) }
      const set: PortSet = { named, names, held: new Map() }
      if (!this.#ports.add(named.id, set)) continue
      for (const family of families) this.#draft.putSet(socketSet(names[family], family, `port ${named.name}, ${named.protocol}`))
      for (const holding of this.#addresses.all()) this.#refreshPort(set, holding)
    }
    for (const declaration of contents) if (this.#contents.add(declaration.name, declaration.name)) this.#draft.putSet(declaration)
  }

  release({ selectors, namedPorts, contents }: Pick<UsedSets, 'selectors' | 'namedPorts' | 'contents'>): void {
    for (const { id } of selectors) if (this.#selectors.remove(id)) for (const family of families) this.#draft.dropSet(selectorSetName(family, id))
    for (const { id } of namedPorts) if (this.#ports.remove(id)) for (const family of families) this.#draft.dropSet(portSetName(family, id))
    for (const { name } of contents) if (this.#contents.remove(name)) this.#draft.dropSet(name)
  }

  /** Addresses that may be in the set of a selector. */
  #candidates(selector: PeerSelector): Iterable<Holding> {
    const namespaces = namespacesOf(selector)
    return namespaces === undefined ? this.#addresses.all() : namespaces.values().flatMap((namespace) => this.#addresses.in(namespace))
  }

  #refresh(holding: Holding): void {
    for (const set of this.#selectors.values()) this.#refreshSelector(set, holding)
    for (const set of this.#ports.values()) this.#refreshPort(set, holding)
  }

  #refreshSelector({ selector, names }: SelectorSet, { address, ip, owners }: Holding): void {
    const name = names[ip.family]
    if (owners.length > 0 && owners.every((pod) => this.#selects(selector, pod))) {
      if (!this.#draft.hasElement(name, address)) this.#draft.putElement(name, address, { key: [ip] })
    } else this.#draft.dropElement(name, address)
  }

  #refreshPort({ named, names, held }: PortSet, { address, ip, owners }: Holding): void {
    const name = names[ip.family]
    const before = held.get(address) ?? []
    const after = portsOf(named, owners)
    if (before.length === 0 && after.length === 0) return
    for (const port of before) if (!after.includes(port)) this.#draft.dropElement(name, `${address} ${port}`)
    for (const port of after) this.#draft.putElement(name, `${address} ${port}`, { key: [ip, protocolNumbers[named.protocol], port] })
    if (after.length > 0) held.set(address, after)
    else held.delete(address)
  }

  #selects(selector: PeerSelector, pod: PolicyPod): boolean {
    return selects(selector, pod, this.#namespaces.get(pod.namespace)?.labels)
  }
}

/** Ports of that name that all of the pods have. */
function portsOf({ name, protocol }: NamedPort, [first, ...others]: readonly PolicyPod[]): readonly number[] {
  if (first === undefined) return []
  const of = (pod: PolicyPod): readonly number[] => pod.ports.flatMap((port) => (port.name === name && port.protocol === protocol ? [port.port] : []))
  return [...new Set(of(first))].filter((port) => others.every((other) => of(other).includes(port)))
}
