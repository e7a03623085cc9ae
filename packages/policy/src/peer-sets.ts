import { protocolNumbers } from '@weft/api'
import { formatIp, type IpAddress } from '@weft/ip'
import { AddressBook } from './address-book.ts'
import type { PolicyNamespace, PolicyPod } from './model.ts'
import { families, type Family, portSetName, selectorSetName } from './names.ts'
import { type PeerSelector, selects } from './peer-selector.ts'
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
  readonly #networks = new References<string>()

  constructor(draft: TableDraft, namespaces: ReadonlyMap<string, PolicyNamespace>) {
    this.#draft = draft
    this.#namespaces = namespaces
  }

  get selectors(): number {
    return this.#selectors.size
  }

  /** Keys of the pods that an address, as text, may belong to. */
  podsAt(address: string): readonly string[] {
    return this.#addresses.podsAt(address).map(({ key }) => key)
  }

  /** @param pod Undefined when it is gone. */
  setPod(key: string, pod: PolicyPod | undefined): void {
    for (const [address, ip] of this.#addresses.set(key, pod)) this.#refresh(address, ip)
  }

  /** The labels of a namespace changed. */
  refreshNamespace(name: string): void {
    const touched = new Map([...this.#addresses.in(name)].flatMap(({ ips }) => ips.map((ip) => [formatIp(ip), ip] as const)))
    for (const [address, ip] of touched) this.#refresh(address, ip)
  }

  acquire({ selectors, namedPorts, networks }: Pick<UsedSets, 'selectors' | 'namedPorts' | 'networks'>): void {
    for (const selector of selectors) {
      const names = { 4: selectorSetName(4, selector.id), 6: selectorSetName(6, selector.id) }
      const set: SelectorSet = { selector, names }
      if (!this.#selectors.add(selector.id, set)) continue
      for (const family of families) this.#draft.putSet(addressSet(names[family], family, selector.text))
      for (const [address, { ip }] of this.#addresses.entries()) this.#refreshSelector(set, address, ip, this.#addresses.podsAt(address))
    }
    for (const named of namedPorts) {
      const names = { 4: portSetName(4, named.id), 6: portSetName(6, named.id) }
      const set: PortSet = { named, names, held: new Map() }
      if (!this.#ports.add(named.id, set)) continue
      for (const family of families) this.#draft.putSet(socketSet(names[family], family, `port ${named.name}, ${named.protocol}`))
      for (const [address, { ip }] of this.#addresses.entries()) this.#refreshPort(set, address, ip, this.#addresses.podsAt(address))
    }
    for (const declaration of networks) if (this.#networks.add(declaration.name, declaration.name)) this.#draft.putSet(declaration)
  }

  release({ selectors, namedPorts, networks }: Pick<UsedSets, 'selectors' | 'namedPorts' | 'networks'>): void {
    for (const { id } of selectors) if (this.#selectors.remove(id)) for (const family of families) this.#draft.dropSet(selectorSetName(family, id))
    for (const { id } of namedPorts) if (this.#ports.remove(id)) for (const family of families) this.#draft.dropSet(portSetName(family, id))
    for (const { name } of networks) if (this.#networks.remove(name)) this.#draft.dropSet(name)
  }

  #refresh(address: string, ip: IpAddress): void {
    const pods = this.#addresses.podsAt(address)
    for (const set of this.#selectors.values()) this.#refreshSelector(set, address, ip, pods)
    for (const set of this.#ports.values()) this.#refreshPort(set, address, ip, pods)
  }

  #refreshSelector({ selector, names }: SelectorSet, address: string, ip: IpAddress, pods: readonly PolicyPod[]): void {
    const name = names[ip.family]
    if (pods.length > 0 && pods.every((pod) => this.#selects(selector, pod))) {
      if (!this.#draft.hasElement(name, address)) this.#draft.putElement(name, address, { key: [ip] })
    } else this.#draft.dropElement(name, address)
  }

  #refreshPort({ named, names, held }: PortSet, address: string, ip: IpAddress, pods: readonly PolicyPod[]): void {
    const name = names[ip.family]
    const before = held.get(address) ?? []
    const after = portsOf(named, pods)
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
