import type { ClusterNetworkPolicy, NetworkPolicy } from '@weft/api'
import { type Cidr, formatCidr, formatIp, type IpAddress } from '@weft/ip'
import { type MapDeclaration, partsOf, type SetDeclaration, type Table, type Transaction } from '@weft/nftables'
import { DnsSets } from './dns-sets.ts'
import { DomainSets } from './domain-sets.ts'
import { Isolations } from './isolations.ts'
import type { DnsPeer, PolicyNamespace, PolicyNode, PolicyPod, TargetPod } from './model.ts'
import { directions, families, ownNamesIn } from './names.ts'
import { NodeSets } from './node-sets.ts'
import { PeerSets } from './peer-sets.ts'
import { type CountedRule, PoliciesInUse } from './policies-in-use.ts'
import { PolicyBook } from './policy-book.ts'
import { headOf } from './policy-head.ts'
import { TableDraft } from './table-draft.ts'
import { fixedChains, podRanges, sets } from './table.ts'
import { TargetPods } from './target-pods.ts'
import { type LogTarget, Tellers } from './tellers.ts'
import type { Told } from './told.ts'

export interface PolicyStateOptions {
  readonly log: LogTarget | undefined
  readonly closesRanges?: boolean
  readonly rulesAtMost?: number
  readonly onCut?: (source: NetworkPolicy | ClusterNetworkPolicy, message: string) => void
}

/**
 * What the kernel should have, kept so that a change becomes a transaction of its own size (DESIGN.md, promise 4). Pure
 * bookkeeping: no I/O, no clock. The order of calls does not matter, save where a namespace is being deleted.
 */
export class PolicyState {
  readonly #draft = new TableDraft()
  readonly #namespaces = new Map<string, PolicyNamespace>()
  readonly #book = new PolicyBook(this.#namespaces)
  /** Policies the API has no more, whose pods outlived them (CVE-2024-7598). */
  readonly #orphans = new Set<string>()
  readonly #peers = new PeerSets(this.#draft, this.#namespaces)
  readonly #nodes = new NodeSets(this.#draft)
  readonly #dns = new DnsSets(this.#draft)
  readonly #tellers = new Tellers(this.#draft)
  readonly #inUse: PoliciesInUse
  readonly #targets: TargetPods
  /** Addresses of pods here whose policies changed since the last {@link PolicyState.settle}, by text. */
  readonly #affected = new Map<string, IpAddress>()
  readonly #domains = new DomainSets(this.#draft)
  #ranges: readonly Cidr[] = []

  /**
   * @param options.log Undefined where nothing can be logged.
   * @param options.closesRanges Whether addresses of {@link PolicyState.setPodRanges} are closed while no known pod has them.
   * @param options.rulesAtMost Of a policy and direction in the kernel.
   * @param options.onCut Told of policies that have more.
   */
  constructor({ log, closesRanges = false, rulesAtMost = Number.POSITIVE_INFINITY, onCut = () => undefined }: PolicyStateOptions = { log: undefined }) {
    this.#inUse = new PoliciesInUse(this.#draft, { peers: this.#peers, nodes: this.#nodes, domains: this.#domains, tellers: this.#tellers, onCut }, { dns: undefined, dnsNamespaceLabels: undefined, log, rulesAtMost })
    this.#targets = new TargetPods(this.#draft, this.#book, new Isolations(this.#draft, { inUse: this.#inUse, tellers: this.#tellers }))
    for (const family of families) for (const declaration of Object.values(sets[family]) as readonly (SetDeclaration | MapDeclaration)[]) this.#draft.putSet(declaration)
    if (closesRanges) for (const family of families) this.#draft.putSet(podRanges[family])
    for (const chain of fixedChains({ closesRanges })) this.#draft.putChain(chain)
  }

  get policies(): number {
    return this.#book.size
  }

  get selectors(): number {
    this.#targets.realise()
    return this.#peers.selectors
  }

  get isolatedPods(): number {
    this.#targets.realise()
    return this.#targets.isolated
  }

  get unknownPods(): number {
    this.#targets.realise()
    return this.#targets.unknown
  }

  /** Addresses of the names that policies of pods here mean: somebody who asks DNS fills them. */
  get domains(): DomainSets {
    this.#targets.realise()
    return this.#domains
  }

  table(): Table {
    this.#targets.realise()
    return this.#draft.table()
  }

  /** What a logged packet's prefix stands for. */
  told(prefix: string): Told | undefined {
    return this.#tellers.told(prefix)
  }

  /** Rules that are counted by themselves, by the comment beside them in the kernel. */
  countedRules(): ReadonlyMap<string, CountedRule> {
    this.#targets.realise()
    return this.#inUse.countedRules()
  }

  /** Keys of the pods an address may belong to. */
  podsAt(ip: IpAddress): readonly string[] {
    return this.#peers.podsAt(formatIp(ip))
  }

  /** What leads a kernel that had the table of the last {@link PolicyState.settle} to the table of now. */
  transaction(): Transaction {
    this.#targets.realise()
    return this.#draft.transaction()
  }

  /** Addresses of whose connections some may be forbidden from now on. */
  affected(): readonly IpAddress[] {
    this.#targets.realise()
    // Who enters a set may be allowed by it, or denied by a policy of the cluster; who leaves it the other way round.
    const peers = this.#draft.touchedAddresses({ entering: this.#book.hasClusterPolicies })
    return [...new Map([...this.#affected, ...peers]).values()]
  }

  /**
   * The kernel refused a table. What it named of policies is closed from now on, so that the others do not wait for them.
   *
   * @param refused In nft words.
   * @returns Whether the next table is another one.
   */
  refuse(refused: readonly string[], message: string): boolean {
    const keys = this.#inUse.refuse(new Set(refused.flatMap(ownNamesIn)), message)
    for (const key of keys) this.#targets.rewrite(key)
    return keys.length > 0
  }

  /** The kernel has the table as it is now. */
  settle(): void {
    this.#draft.settle()
    this.#affected.clear()
  }

  setNamespace(name: string, namespace: PolicyNamespace | undefined): void {
    if (namespace === undefined) this.#namespaces.delete(name)
    else this.#namespaces.set(name, namespace)
    this.#peers.refreshNamespace(name)
    if (this.#book.hasClusterPolicies) this.#affect(this.#targets.refreshNamespace(name))
    const { dns } = this.#inUse.context
    if (name === dns?.namespace) this.#setContext(dns)
    // A namespace of that name was made anew, or its deletion never was.
    if (this.#isLeaving(name)) return
    this.#dropOrphans(name)
    this.#targets.forgiveLost(name)
  }

  /** What an earlier process left in the kernel. Pods of namespaces that are being deleted may have lost their policies since: where they had some, they are closed. */
  adopt({ maps }: Table): void {
    const chains = new Map<string, string>()
    for (const direction of directions) for (const family of families) for (const { key, data } of maps.find(({ name }) => name === sets[family][direction].name)?.elements ?? []) {
      const [ip] = partsOf(key)
      if (typeof data === 'object' && 'kind' in data && data.kind === 'verdict' && data.chain !== undefined) chains.set(`${direction} ${formatIp(ip as IpAddress)}`, data.chain)
    }
    this.#targets.closeLost((namespace) => this.#isLeaving(namespace), (direction, ip) => chains.get(`${direction} ${formatIp(ip)}`))
  }

  setPolicy(key: string, source: NetworkPolicy | undefined): void {
    this.#orphans.delete(key)
    const namespace = namespaceOf(key)
    // Nothing in a namespace that goes is deleted in any order: its policies may go before its pods.
    if (source === undefined && this.#book.get(namespace, key) !== undefined && this.#isLeaving(namespace) && this.#targets.has(namespace)) this.#orphans.add(key)
    else this.#replace(namespace, key, source)
  }

  /** @param key `kind/name`: names of the kinds do not meet. */
  setClusterPolicy(key: string, source: ClusterNetworkPolicy | undefined): void {
    const had = this.#book.hasClusterPolicies
    this.#replace(undefined, key, source)
    // The first and the last decide for pods of namespaces that nobody knows.
    if (had !== this.#book.hasClusterPolicies) for (const namespace of this.#targets.namespaces()) if (!this.#namespaces.has(namespace)) this.#affect(this.#targets.refreshNamespace(namespace))
  }

  /** A pod as peer; undefined when it is gone. */
  setPeer(key: string, pod: PolicyPod | undefined): void {
    this.#peers.setPod(key, pod)
  }

  /** Whether pods of a namespace are here. */
  protects(namespace: string): boolean {
    return this.#targets.has(namespace)
  }

  /** A node as peer; undefined when it is gone. */
  setNode(name: string, node: PolicyNode | undefined): void {
    this.#nodes.setNode(name, node)
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

  /** Networks that this node's pods have their addresses of. */
  setPodRanges(ranges: readonly Cidr[]): void {
    for (const range of this.#ranges) if (!ranges.some((each) => formatCidr(each) === formatCidr(range))) this.#draft.dropElement(podRanges[range.family].name, formatCidr(range))
    for (const range of ranges) this.#draft.putElement(podRanges[range.family].name, formatCidr(range), { key: [range] })
    this.#ranges = ranges
  }

  setDns(dns: DnsPeer | undefined): void {
    const before = this.#dns.put(dns)
    this.#setContext(dns)
    before.drop()
  }

  #setContext(dns: DnsPeer | undefined): void {
    for (const key of this.#inUse.setContext({ ...this.#inUse.context, dns, dnsNamespaceLabels: dns === undefined ? undefined : this.#namespaces.get(dns.namespace)?.labels })) {
      this.#targets.rewrite(key)
      this.#affect(this.#targets.under(key))
    }
  }

  #replace(namespace: string | undefined, key: string, source: NetworkPolicy | ClusterNetworkPolicy | undefined): void {
    const before = this.#book.get(namespace, key)
    if (before === undefined && source === undefined) return
    const after = source === undefined ? undefined : headOf(source)
    this.#book.set(namespace, key, after)
    this.#affect(this.#targets.replace(before, after))
    if (after !== undefined && this.#inUse.replace(after)) this.#targets.rewrite(key)
  }

  #affect(pods: readonly TargetPod[]): void {
    for (const { ips } of pods) for (const ip of ips) this.#affected.set(formatIp(ip), ip)
  }

  #isLeaving(namespace: string): boolean {
    return this.#namespaces.get(namespace)?.deleting !== false
  }

  #dropOrphans(namespace: string): void {
    for (const key of [...this.#orphans]) if (namespaceOf(key) === namespace) {
      this.#orphans.delete(key)
      this.#replace(namespace, key, undefined)
    }
  }
}

function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}
