import { selectorMatches } from '@weft/api'
import { formatIp, type IpAddress } from '@weft/ip'
import type { PolicyNode } from './model.ts'
import { families, nodeSetName } from './names.ts'
import { References } from './references.ts'
import type { NodeSelector } from './rule-compiler.ts'
import type { TableDraft } from './table-draft.ts'
import { addressSet } from './table.ts'

/** Sets of the addresses of nodes that rules select. A node costs as much as there are such sets. */
export class NodeSets {
  readonly #draft: TableDraft
  readonly #nodes = new Map<string, PolicyNode>()
  /** Nodes by address: it may move from one to the next, whose event comes first. */
  readonly #holders = new Map<string, { readonly ip: IpAddress, readonly nodes: Set<string> }>()
  readonly #selectors = new References<NodeSelector>()

  constructor(draft: TableDraft) {
    this.#draft = draft
  }

  /** @param node Undefined when it is gone. */
  setNode(name: string, node: PolicyNode | undefined): void {
    const before = this.#nodes.get(name)
    if (node === undefined) this.#nodes.delete(name)
    else this.#nodes.set(name, node)
    for (const ip of before?.addresses ?? []) this.#holders.get(formatIp(ip))?.nodes.delete(name)
    for (const ip of node?.addresses ?? []) this.#holders.getOrInsertComputed(formatIp(ip), () => ({ ip, nodes: new Set<string>() })).nodes.add(name)
    const touched = new Map([...before?.addresses ?? [], ...node?.addresses ?? []].map((ip) => [formatIp(ip), ip]))
    for (const [address, ip] of touched) {
      for (const selector of this.#selectors.values()) this.#refresh(selector, address, ip)
      if (this.#holders.get(address)?.nodes.size === 0) this.#holders.delete(address)
    }
  }

  acquire(selectors: readonly NodeSelector[]): void {
    for (const selector of selectors) {
      if (!this.#selectors.add(selector.id, selector)) continue
      for (const family of families) this.#draft.putSet(addressSet(nodeSetName(family, selector.id), family, `nodes ${selector.text}`))
      for (const [address, { ip }] of this.#holders) this.#refresh(selector, address, ip)
    }
  }

  release(selectors: readonly NodeSelector[]): void {
    for (const { id } of selectors) if (this.#selectors.remove(id)) for (const family of families) this.#draft.dropSet(nodeSetName(family, id))
  }

  #refresh({ id, labels }: NodeSelector, address: string, ip: IpAddress): void {
    const name = nodeSetName(ip.family, id)
    const nodes = [...this.#holders.get(address)?.nodes ?? []]
    if (nodes.some((node) => selectorMatches(labels, this.#nodes.get(node)!.labels))) {
      if (!this.#draft.hasElement(name, address)) this.#draft.putElement(name, address, { key: [ip] })
    } else this.#draft.dropElement(name, address)
  }
}
