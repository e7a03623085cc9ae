import { type NetworkPolicy, protocolNumbers, selectorMatches } from '@weft/api'
import { formatIp } from '@weft/ip'
import type { MapDeclaration, SetDeclaration, SetElement, Table, Transaction } from '@weft/nftables'
import { type CompileContext, type CompiledPolicy, compilePolicy, isSameContext } from './compile.ts'
import type { DnsPeer, PolicyNamespace, PolicyPod, TargetPod } from './model.ts'
import { directions, dnsSetName, families, policyChainName } from './names.ts'
import { PeerSets } from './peer-sets.ts'
import { TableDraft } from './table-draft.ts'
import { fixedChains, sets, socketSet } from './table.ts'
import { TargetPods } from './target-pods.ts'

/**
 * What the kernel should have, kept so that a change becomes a transaction of its own size (DESIGN.md, promise 4). Pure
 * bookkeeping: no I/O, no clock. The order of calls does not matter, save where a namespace is being deleted.
 */
export class PolicyState {
  readonly #draft = new TableDraft()
  readonly #namespaces = new Map<string, PolicyNamespace>()
  readonly #policies = new Map<string, Map<string, CompiledPolicy>>()
  /** Policies the API has no more, whose pods outlived them (CVE-2024-7598). */
  readonly #orphans = new Set<string>()
  readonly #peers: PeerSets
  readonly #targets: TargetPods
  #context: CompileContext = { dns: undefined, dnsNamespaceLabels: undefined }
  #dnsElements: ReadonlyMap<string, ReadonlyMap<string, SetElement>> = new Map()

  constructor() {
    for (const family of families) for (const declaration of Object.values(sets[family]) as readonly (SetDeclaration | MapDeclaration)[]) this.#draft.putSet(declaration)
    for (const chain of fixedChains) this.#draft.putChain(chain)
    this.#peers = new PeerSets(this.#draft, this.#namespaces)
    this.#targets = new TargetPods(this.#draft, (namespace) => this.#policies.get(namespace)?.values() ?? [])
  }

  get policies(): number {
    return this.#policies.values().reduce((sum, { size }) => sum + size, 0)
  }

  get selectors(): number {
    return this.#peers.selectors
  }

  get isolatedPods(): number {
    return this.#targets.isolated
  }

  get unknownPods(): number {
    return this.#targets.unknown
  }

  table(): Table {
    return this.#draft.table()
  }

  /** What leads a kernel that had the table of the last {@link PolicyState.settle} to the table of now. */
  transaction(): Transaction {
    return this.#draft.transaction()
  }

  /** The kernel has the table as it is now. */
  settle(): void {
    this.#draft.settle()
  }

  setNamespace(name: string, namespace: PolicyNamespace | undefined): void {
    if (namespace === undefined) this.#namespaces.delete(name)
    else this.#namespaces.set(name, namespace)
    this.#peers.refreshNamespace(name)
    if (name === this.#context.dns?.namespace) this.#setContext(this.#context.dns)
    // A namespace of that name was made anew, or its deletion never was.
    if (!this.#isLeaving(name)) this.#dropOrphans(name)
  }

  setPolicy(key: string, source: NetworkPolicy | undefined): void {
    this.#orphans.delete(key)
    if (source !== undefined) {
      this.#replace(key, source)
      return
    }
    const namespace = namespaceOf(key)
    // Nothing in a namespace that goes is deleted in any order: its policies may go before its pods.
    if (this.#policies.get(namespace)?.has(key) === true && this.#isLeaving(namespace) && this.#targets.has(namespace)) this.#orphans.add(key)
    else this.#replace(key, undefined)
  }

  /** A pod as peer; undefined when it is gone. */
  setPeer(key: string, pod: PolicyPod | undefined): void {
    this.#peers.setPod(key, pod)
  }

  /**
   * A pod of this node as target.
   *
   * @param key Of its attachment: two sandboxes of one pod may have links at once.
   * @param pod Undefined when its link is gone.
   */
  setTarget(key: string, pod: TargetPod | undefined): void {
    this.#targets.set(key, pod)
    for (const namespace of new Set([...this.#orphans].map(namespaceOf))) if (!this.#targets.has(namespace)) this.#dropOrphans(namespace)
  }

  setDns(dns: DnsPeer | undefined): void {
    const wanted = dnsElements(dns)
    for (const [name, { declaration, elements }] of wanted) {
      this.#draft.putSet(declaration)
      for (const [id, element] of elements) this.#draft.putElement(name, id, element)
    }
    this.#setContext(dns)
    for (const [name, elements] of this.#dnsElements) {
      const now = wanted.get(name)?.elements
      for (const id of elements.keys()) if (now?.has(id) !== true) this.#draft.dropElement(name, id)
      if (now === undefined && !isFixed(name)) this.#draft.dropSet(name)
    }
    this.#dnsElements = new Map([...wanted].map(([name, { elements }]) => [name, elements]))
  }

  /** Policies depend on what the DNS Service is, not on where its servers are. */
  #setContext(dns: DnsPeer | undefined): void {
    const before = this.#context
    this.#context = { dns, dnsNamespaceLabels: dns === undefined ? undefined : this.#namespaces.get(dns.namespace)?.labels }
    if (isSameContext(before, this.#context)) return
    for (const policies of this.#policies.values()) for (const [key, { source }] of [...policies]) if (source.egress !== undefined) this.#replace(key, source)
  }

  #replace(key: string, source: NetworkPolicy | undefined): void {
    const namespace = namespaceOf(key)
    const before = this.#policies.get(namespace)?.get(key)
    const after = source === undefined ? undefined : compilePolicy(source, this.#context)
    // What both need must not go away in between.
    if (after !== undefined) this.#peers.acquire(after)
    this.#hold(namespace, key, after)
    for (const chain of Object.values(after?.chains ?? {})) this.#draft.putChain(chain)
    if (!isSameReach(before, after)) {
      this.#targets.refresh(namespace, (labels) => [before, after].some((policy) => policy !== undefined && selectorMatches(policy.source.pods, labels)))
    }
    for (const direction of directions) if (before?.chains[direction] !== undefined && after?.chains[direction] === undefined) this.#draft.dropChain(policyChainName(direction, key))
    if (before !== undefined) this.#peers.release(before)
  }

  #hold(namespace: string, key: string, policy: CompiledPolicy | undefined): void {
    const policies = this.#policies.getOrInsertComputed(namespace, () => new Map<string, CompiledPolicy>())
    if (policy === undefined) policies.delete(key)
    else policies.set(key, policy)
    if (policies.size === 0) this.#policies.delete(namespace)
  }

  #isLeaving(namespace: string): boolean {
    return this.#namespaces.get(namespace)?.deleting !== false
  }

  #dropOrphans(namespace: string): void {
    for (const key of [...this.#orphans]) if (namespaceOf(key) === namespace) {
      this.#orphans.delete(key)
      this.#replace(key, undefined)
    }
  }
}

function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

/** Whether a policy selects the same pods in the same directions: then they keep their chains. */
function isSameReach(before: CompiledPolicy | undefined, after: CompiledPolicy | undefined): boolean {
  return before !== undefined && after !== undefined && directions.every((direction) => (before.chains[direction] === undefined) === (after.chains[direction] === undefined))
    && JSON.stringify(before.source.pods) === JSON.stringify(after.source.pods)
}

function isFixed(name: string): boolean {
  return families.some((family) => sets[family].dnsVip.name === name)
}

/** Sets of the DNS and their elements, by name and by text. */
function dnsElements(dns: DnsPeer | undefined): ReadonlyMap<string, { readonly declaration: SetDeclaration, readonly elements: ReadonlyMap<string, SetElement> }> {
  const found = new Map<string, { readonly declaration: SetDeclaration, readonly elements: ReadonlyMap<string, SetElement> }>()
  for (const family of families) {
    const vips = (dns?.vips ?? []).filter((ip) => ip.family === family)
    found.set(sets[family].dnsVip.name, { declaration: sets[family].dnsVip, elements: new Map(vips.map((ip) => [formatIp(ip), { key: [ip] }])) })
    for (const { protocol, port, endpoints } of dns?.ports ?? []) {
      const own = endpoints.filter(({ ip }) => ip.family === family)
      const name = dnsSetName(family, protocol, port)
      const elements = new Map(own.map((endpoint) => [`${formatIp(endpoint.ip)} ${endpoint.port}`, { key: [endpoint.ip, protocolNumbers[protocol], endpoint.port] }]))
      found.set(name, { declaration: socketSet(name, family, `cluster DNS, ${protocol} ${port}`), elements })
    }
  }
  return found
}
