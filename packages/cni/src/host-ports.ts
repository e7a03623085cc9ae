import { keyText } from '@weft/allocator'
import { tables, type Attachment } from '@weft/api'
import type { Logger } from '@weft/daemon'
import type { Cidr } from '@weft/ip'
import { diffElements, diffTable, type Nft, type Table, Transaction } from '@weft/nftables'
import { CniError } from '@weft/plugin'
import { type Bandwidth, podLimits } from './bandwidth.ts'
import { compileBridgeTable } from './compile-bridge.ts'
import { compileTable } from './compile.ts'
import { type BridgePort, type HostPort, hostPortKey, hostPortsOf, parseData, type PodLimit } from './model.ts'
import type { PortMapping } from './network-config.ts'
import type { AttachmentKey, NodeAddresses, StoredAttachment } from './ports.ts'
import { messageOf } from '@weft/daemon/message-of'

export interface HostPortsDeps {
  readonly nft: Nft
  readonly logger: Logger
  readonly node: () => NodeAddresses
  /** Whether links have token buckets; then only what a pod sends is limited here too. */
  readonly shaping: () => boolean
  /** Whether pods are made ports of the bridge from now on. */
  readonly bridging?: boolean | undefined
  /** Networks that leave the node with its address. */
  readonly masquerade?: readonly Cidr[] | undefined
  /** Called with the ports of an attachment before they are served (UDP connections pinned elsewhere, NET-29). */
  readonly forget: (hostPorts: readonly HostPort[]) => void
  /** The table was not as it had been left, and is mended. */
  readonly onMended?: (() => void) | undefined
}

/**
 * Table `weft-cni` as it should be and as it is. Changes of host ports are element edits; everything else, and any
 * doubt, goes through {@link HostPorts.resync}, which reads the kernel and writes the difference.
 */
export class HostPorts {
  readonly #deps: HostPortsDeps
  readonly #byAttachment = new Map<string, readonly HostPort[]>()
  readonly #limits = new Map<string, readonly PodLimit[]>()
  readonly #bridged = new Map<string, BridgePort>()
  #hasBridge: boolean
  /** As the kernel was left; none before the first comparison. */
  #applied: readonly Table[] = []
  #writes = 0
  #fault: string | undefined

  constructor(deps: HostPortsDeps) {
    this.#deps = deps
    this.#hasBridge = deps.bridging === true
  }

  /** Transactions committed so far. */
  get writes(): number {
    return this.#writes
  }

  /** Why the kernel did not take the table the last time it was compared; undefined if it is as it should be. */
  get fault(): string | undefined {
    return this.#fault
  }

  /** Takes over what the store knows, without touching the kernel. */
  adopt(attachments: readonly StoredAttachment[]): void {
    for (const attachment of attachments) {
      if (attachment.state === 'releasing') continue
      const { portMappings, bandwidth, mtu, bridged } = parseData(attachment.data)
      if (bridged) this.#bridged.set(keyText(attachment), attachment)
      const hostPorts = hostPortsOf(attachment, portMappings)
      if (hostPorts.length > 0) this.#byAttachment.set(keyText(attachment), hostPorts)
      this.#limit(attachment, bandwidth, mtu)
    }
    // Of the time when this node had a bridge.
    this.#hasBridge ||= this.#bridged.size > 0
    if (!this.#hasBridge && this.#deps.nft.read('bridge', tables.cni) !== undefined) this.#commit(new Transaction({ family: 'bridge', name: tables.cni }).deleteTable())
  }

  /** Lets an attachment's addresses pass its port of the bridge; nothing passes there before. */
  join(attachment: Attachment): void {
    this.#bridged.set(keyText(attachment), attachment)
    this.#apply()
  }

  /** @throws {CniError} If another attachment has one of these host ports. */
  check(attachment: Attachment, mappings: readonly PortMapping[]): void {
    const taken = new Map([...this.#byAttachment].flatMap(([owner, hostPorts]) => hostPorts.map((hostPort) => [hostPortKey(hostPort), owner] as const)))
    for (const hostPort of hostPortsOf(attachment, mappings)) {
      const owner = taken.get(hostPortKey(hostPort))
      if (owner !== undefined && owner !== keyText(attachment)) throw new CniError('ERR_CNI_INVALID_CONFIG', `Cannot serve host port "${hostPortKey(hostPort)}": container ${owner} has it, wanted a free one`)
    }
  }

  /** Serves the host ports of an attachment; they are in the kernel when this returns. */
  add(attachment: Attachment, mappings: readonly PortMapping[]): void {
    const hostPorts = hostPortsOf(attachment, mappings)
    if (hostPorts.length === 0) return
    this.check(attachment, mappings)
    this.#byAttachment.set(keyText(attachment), hostPorts)
    this.#apply()
    this.#deps.forget(hostPorts)
  }

  /** Limits what passes an attachment's link, as far as its link does not; that is in the kernel when this returns. */
  limit(attachment: Attachment, bandwidth: Bandwidth | undefined, mtu: number): void {
    // A limit brings a chain: the whole table is compared, which is rare enough.
    if (this.#limit(attachment, bandwidth, mtu)) this.resync()
  }

  #limit(attachment: Pick<Attachment, 'containerId' | 'ifname' | 'hostIfname'>, bandwidth: Bandwidth | undefined, mtu: number): boolean {
    const limits = podLimits(attachment.hostIfname, bandwidth, { shaping: this.#deps.shaping(), mtu })
    if (limits.length === 0) return false
    this.#limits.set(keyText(attachment), limits)
    return true
  }

  /** Stops serving and limiting them; nothing happens if there is nothing (NET-32). */
  remove(key: AttachmentKey): void {
    const served = [this.#byAttachment, this.#bridged].map((map) => map.delete(keyText(key))).includes(true)
    if (this.#limits.delete(keyText(key))) this.resync()
    else if (served) this.#apply()
  }

  /** Reads the table back and writes what differs; writes nothing when nothing does (P11). */
  resync(): void {
    try {
      this.#compareAndMend()
      this.#fault = undefined
    } catch (error) {
      this.#fault = messageOf(error)
      throw error
    }
  }

  #compareAndMend(): void {
    const desired = this.#compile()
    for (const [index, table] of desired.entries()) this.#mendTable(table, this.#applied[index])
    this.#applied = desired
  }

  #mendTable(desired: Table, applied: Table | undefined): void {
    const kernel = this.#deps.nft.read(desired.family, desired.name)
    const transaction = diffTable(kernel, desired)
    if (transaction.isEmpty) return
    const isForeign = applied !== undefined && !diffTable(kernel, applied).isEmpty
    this.#commit(transaction)
    if (isForeign) {
      this.#deps.logger.warn({ family: desired.family, table: desired.name, transaction: transaction.text }, 'table mended: somebody else had changed it')
      this.#deps.onMended?.()
    } else this.#deps.logger.debug({ transaction: transaction.text }, 'table changed')
  }

  /** For CHECK: which host ports of the attachment the kernel does not have. */
  findDifferences(attachment: AttachmentKey): readonly string[] {
    const key = keyText(attachment)
    if (![this.#byAttachment, this.#limits, this.#bridged].some((map) => map.has(key))) return []
    return this.#compile().flatMap((table) => diffTable(this.#deps.nft.read(table.family, table.name), table).isEmpty ? [] : [`table ${table.family} ${table.name} differs from the kernel's`])
  }

  /** One line per host port. */
  dump(): string {
    return [...this.#byAttachment].flatMap(([owner, hostPorts]) => hostPorts.map((hostPort) => `hostport ${hostPortKey(hostPort)} -> ${owner}\n`)).sort().join('')
  }

  #commit(transaction: Transaction): void {
    this.#deps.nft.commit(transaction)
    this.#writes += 1
  }

  #compile(): readonly Table[] {
    const limits = [...this.#limits.values()].flat()
    const ports = [...this.#bridged.values()]
    // Behind a bridge the tables of IP see the bridge's name, not the port's.
    const behindPorts = new Set(ports.map(({ hostIfname }) => hostIfname))
    return [
      compileTable({ hostPorts: [...this.#byAttachment.values()].flat(), limits: limits.filter(({ hostIfname }) => !behindPorts.has(hostIfname)), node: this.#deps.node(), masquerade: this.#deps.masquerade }),
      ...this.#hasBridge ? [compileBridgeTable({ ports, limits: limits.filter(({ hostIfname }) => behindPorts.has(hostIfname)) })] : [],
    ]
  }

  #apply(): void {
    if (this.#applied.length === 0) return this.resync()
    const desired = this.#compile()
    try {
      for (const [index, table] of desired.entries()) this.#applyElements(table, this.#applied[index]!)
      this.#applied = desired
    } catch (error) {
      this.#deps.logger.warn({ error: messageOf(error) }, 'table is not as it was left, reading it back')
      this.resync()
    }
  }

  #applyElements(desired: Table, before: Table): void {
    const transaction = new Transaction(desired)
    for (const [index, set] of desired.sets.entries()) diffElements(transaction, set, before.sets[index]!.elements)
    for (const [index, map] of desired.maps.entries()) diffElements(transaction, map, before.maps[index]!.elements)
    if (!transaction.isEmpty) this.#commit(transaction)
  }
}
