import { type NetworkPolicy, objectKey, protocolNumbers, selectorMatches } from '@weft/api'
import type { IpAddress } from '@weft/ip'
import { goTo, type Table, type Transaction } from '@weft/nftables'
import { type CompileContext, type CompiledPolicy, compilePolicy, type NamedPort } from './compile.ts'
import type { DnsPeer, PolicyPod } from './model.ts'
import { type Direction, podChainName, policyChainName, portSetName, selectorSetName } from './names.ts'
import { type PeerSelector, selects } from './peer-selector.ts'
import { References } from './references.ts'
import { TableDraft } from './table-draft.ts'
import { addressSet, baseChains, families, podChain, sets, socketSet } from './table.ts'

/** An element that a pod, or the DNS, is the reason for. */
interface Placement {
  readonly set: string
  readonly id: string
  readonly key: readonly (IpAddress | number)[]
}

/** Owner of the DNS's elements; no pod has such a key. */
const dnsOwner = '(dns)'

function dnsPlacements(dns: DnsPeer | undefined): readonly Placement[] {
  return [
    ...(dns?.endpoints ?? []).map(({ ip, protocol, port }) => ({ set: sets[ip.family].dns.name, id: `${ip.bits} ${protocol} ${port}`, key: [ip, protocolNumbers[protocol], port] })),
    ...(dns?.vips ?? []).map((ip) => ({ set: sets[ip.family].dnsVip.name, id: `${ip.bits}`, key: [ip] })),
  ]
}

const directions: readonly Direction[] = ['ingress', 'egress']

/**
 * What the kernel should have, kept so that a change becomes a transaction of its own size: a pod costs as much as there
 * are selectors, a policy as much as there are pods for the selectors that are new with it. Pure bookkeeping.
 */
export class PolicyState {
  readonly #draft = new TableDraft()
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>()
  readonly #policies = new Map<string, CompiledPolicy>()
  /** Pods as peers: all of the cluster that have an address of their own. */
  readonly #peers = new Map<string, PolicyPod>()
  /** Pods as targets: those of this node. */
  readonly #targets = new Map<string, PolicyPod>()
  readonly #selectors = new References<PeerSelector>()
  readonly #namedPorts = new References<NamedPort>()
  readonly #networks = new References<string>()
  /** Chains of pods, by name. */
  readonly #podChains = new References<string>()
  /** Elements each peer stands for. Two pods may share an address for a moment, when it is used anew: claims are counted. */
  readonly #placed = new Map<string, readonly Placement[]>()
  readonly #claims = new References<Placement>()
  /** Which chain a target has, for each direction that isolates it. */
  readonly #isolation = new Map<string, Readonly<Partial<Record<Direction, string>>>>()
  #dns: DnsPeer | undefined

  constructor() {
    for (const family of families) for (const declaration of Object.values(sets[family])) this.#draft.putSet(declaration)
    for (const chain of baseChains) this.#draft.putChain(chain)
  }

  get policies(): number {
    return this.#policies.size
  }

  get isolatedPods(): number {
    return this.#isolation.size
  }

  table(): Table {
    return this.#draft.table()
  }

  transaction(): Transaction {
    return this.#draft.transaction()
  }

  settle(): void {
    this.#draft.settle()
  }

  setNamespace(name: string, labels: Readonly<Record<string, string>> | undefined): void {
    if (labels === undefined) this.#namespaces.delete(name)
    else this.#namespaces.set(name, labels)
    for (const pod of this.#peers.values()) if (pod.namespace === name) this.#place(pod.key, this.#placementsOf(pod))
    if (name === this.#dns?.namespace) this.#recompileAll()
  }

  setPolicy(key: string, source: NetworkPolicy | undefined): void {
    const before = this.#policies.get(key)
    const after = source === undefined ? undefined : compilePolicy(source, this.#context())
    // What both need must not go away in between.
    if (after !== undefined) this.#acquire(after)
    if (after === undefined) this.#policies.delete(key)
    else this.#policies.set(key, after)
    for (const direction of directions) {
      const chain = after?.chains[direction]
      if (chain !== undefined) this.#draft.putChain(chain)
    }
    for (const target of this.#targets.values()) if (target.namespace === (source ?? before?.source)?.namespace) this.#isolate(target)
    for (const direction of directions) if (before?.chains[direction] !== undefined && after?.chains[direction] === undefined) this.#draft.dropChain(policyChainName(direction, key))
    if (before !== undefined) this.#release(before)
  }

  /** A pod as peer; undefined when it is gone. */
  setPeer(key: string, pod: PolicyPod | undefined): void {
    if (pod === undefined) this.#peers.delete(key)
    else this.#peers.set(key, pod)
    this.#place(key, pod === undefined ? [] : this.#placementsOf(pod))
  }

  /** A pod of this node as target; undefined when its link is gone. */
  setTarget(key: string, pod: PolicyPod | undefined): void {
    const before = this.#targets.get(key)
    if (before !== undefined) this.#placeTarget(before, {})
    if (pod === undefined) {
      this.#targets.delete(key)
      this.#forget(key)
      return
    }
    this.#targets.set(key, pod)
    this.#isolate(pod)
  }

  setDns(dns: DnsPeer | undefined): void {
    this.#place(dnsOwner, dnsPlacements(dns))
    this.#dns = dns
    this.#recompileAll()
  }

  #context(): CompileContext {
    return { dns: this.#dns, dnsNamespaceLabels: this.#dns === undefined ? undefined : this.#namespaces.get(this.#dns.namespace) }
  }

  #recompileAll(): void {
    for (const [key, { source }] of [...this.#policies]) if (source.egress !== undefined) this.setPolicy(key, source)
  }

  #acquire({ selectors, namedPorts, networks }: CompiledPolicy): void {
    for (const selector of selectors) {
      if (!this.#selectors.add(selector.id, selector)) continue
      for (const family of families) this.#draft.putSet(addressSet(selectorSetName(family, selector.id), family))
      for (const pod of this.#peers.values()) this.#placeMore(pod.key, this.#selectorPlacements(selector, pod))
    }
    for (const named of namedPorts) {
      if (!this.#namedPorts.add(named.id, named)) continue
      for (const family of families) this.#draft.putSet(socketSet(portSetName(family, named.id), family))
      for (const pod of this.#peers.values()) this.#placeMore(pod.key, this.#portPlacements(named, pod))
    }
    for (const declaration of networks) if (this.#networks.add(declaration.name, declaration.name)) this.#draft.putSet(declaration)
  }

  #release({ selectors, namedPorts, networks }: CompiledPolicy): void {
    const gone: string[] = []
    for (const { id } of selectors) if (this.#selectors.remove(id)) gone.push(...families.map((family) => selectorSetName(family, id)))
    for (const { id } of namedPorts) if (this.#namedPorts.remove(id)) gone.push(...families.map((family) => portSetName(family, id)))
    if (gone.length > 0) for (const [key, placements] of this.#placed) this.#place(key, placements.filter(({ set }) => !gone.includes(set)))
    for (const { name } of networks) if (this.#networks.remove(name)) gone.push(name)
    for (const name of gone) this.#draft.dropSet(name)
  }

  #placementsOf(pod: PolicyPod): readonly Placement[] {
    return [
      ...[...this.#selectors.values()].flatMap((selector) => this.#selectorPlacements(selector, pod)),
      ...[...this.#namedPorts.values()].flatMap((named) => this.#portPlacements(named, pod)),
    ]
  }

  #selectorPlacements(selector: PeerSelector, pod: PolicyPod): readonly Placement[] {
    return this.#selects(selector, pod) ? pod.ips.map((ip) => ({ set: selectorSetName(ip.family, selector.id), id: `${ip.bits}`, key: [ip] })) : []
  }

  #portPlacements({ id, name, protocol, pods }: NamedPort, pod: PolicyPod): readonly Placement[] {
    if (!pods.some((selector) => this.#selects(selector, pod))) return []
    return pod.ports.filter((port) => port.name === name && port.protocol === protocol).flatMap(({ port }) =>
      pod.ips.map((ip) => ({ set: portSetName(ip.family, id), id: `${ip.bits} ${port}`, key: [ip, protocolNumbers[protocol], port] })))
  }

  #selects(selector: PeerSelector, pod: PolicyPod): boolean {
    return selects(selector, pod, this.#namespaces.get(pod.namespace))
  }

  #placeMore(owner: string, placements: readonly Placement[]): void {
    if (placements.length > 0) this.#place(owner, [...this.#placed.get(owner) ?? [], ...placements])
  }

  /** Replaces what an owner stands for; claims on what stays are taken before the old ones are given up. */
  #place(owner: string, placements: readonly Placement[]): void {
    for (const placement of placements) {
      const { set, id, key } = placement
      if (this.#claims.add(`${set} ${id}`, placement)) this.#draft.putElement(set, id, { key })
    }
    for (const { set, id } of this.#placed.get(owner) ?? []) if (this.#claims.remove(`${set} ${id}`)) this.#draft.dropElement(set, id)
    if (placements.length > 0) this.#placed.set(owner, placements)
    else this.#placed.delete(owner)
  }

  /** Gives a target the chains of the policies that select it. */
  #isolate(pod: PolicyPod): void {
    const chains: Partial<Record<Direction, string>> = {}
    for (const direction of directions) {
      const selecting = [...this.#policies.values()]
        .filter(({ source, chains: own }) => own[direction] !== undefined && source.namespace === pod.namespace && selectorMatches(source.pods, pod.labels))
        .map(({ source }) => objectKey(source)).sort()
      if (selecting.length === 0) continue
      const name = podChainName(direction, selecting)
      chains[direction] = name
      if (this.#podChains.add(name, name)) this.#draft.putChain(podChain(name, selecting.map((key) => policyChainName(direction, key))))
    }
    this.#placeTarget(pod, chains)
    // The old chains go last: pods that keep them must not lose them in between.
    this.#forget(pod.key)
    if (Object.keys(chains).length > 0) this.#isolation.set(pod.key, chains)
  }

  #forget(key: string): void {
    for (const name of Object.values(this.#isolation.get(key) ?? {})) if (this.#podChains.remove(name)) this.#draft.dropChain(name)
    this.#isolation.delete(key)
  }

  #placeTarget(pod: PolicyPod, chains: Readonly<Partial<Record<Direction, string>>>): void {
    for (const ip of pod.ips) {
      for (const direction of directions) {
        const chain = chains[direction]
        if (chain === undefined) this.#draft.dropElement(sets[ip.family][direction].name, `${ip.bits}`)
        else this.#draft.putElement(sets[ip.family][direction].name, `${ip.bits}`, { key: [ip], data: goTo(chain) }, chain)
      }
      const isolated = Object.keys(chains).length > 0
      if (isolated) this.#draft.putElement(sets[ip.family].self.name, `${ip.bits}`, { key: [ip, ip] })
      else this.#draft.dropElement(sets[ip.family].self.name, `${ip.bits}`)
    }
  }
}
