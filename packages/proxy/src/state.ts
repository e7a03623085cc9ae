import { tables } from '@weft/api'
import { type MapElement, type SetElement, type Table, Transaction } from '@weft/nftables'
import { BackendChains } from './backend-chains.ts'
import { compileNode, compileService, compileTable, type Element } from './compile.ts'
import type { ProxyConfig } from './config.ts'
import { ElementCounts } from './element-counts.ts'
import type { LocalDns, NodeModel, ServiceModel } from './model.ts'
import { type StaleFlow, staleFlows } from './stale-flows.ts'
import { pickChain, pickElement, sets } from './table.ts'

/** A Service that changed: its new model, or undefined when it is gone. */
export interface ServiceChange {
  readonly key: string
  readonly model: ServiceModel | undefined
}

/**
 * What the kernel should have, kept so that a change of a few Services becomes a transaction of their
 * elements alone. Pure bookkeeping: no I/O, no clock.
 */
export class ProxyState {
  readonly #elements = new ElementCounts()
  readonly #chains = new BackendChains()
  readonly #services = new Map<string, { readonly model: ServiceModel, readonly elements: readonly Element[] }>()
  readonly node: NodeModel

  constructor(node: NodeModel, config: ProxyConfig) {
    this.node = node
    this.#elements.add(compileNode(node, config))
  }

  get size(): number {
    return this.#services.size
  }

  /** UDP answered on this node, in order of address. */
  get localDns(): readonly LocalDns[] {
    return [...this.#services.values()].flatMap(({ model }) => model.localDns)
  }

  has(key: string): boolean {
    return this.#services.has(key)
  }

  /** The whole table as wanted now. */
  table(): Table {
    return compileTable(this.node, this.localDns, this.#elements)
  }

  /**
   * Takes changes in.
   *
   * @returns The transaction that brings a kernel that had the state before to the state after, and the flows that must not go on as they did.
   */
  apply(changes: readonly ServiceChange[]): { readonly transaction: Transaction, readonly stale: readonly StaleFlow[] } {
    const before: Element[] = []
    const after: Element[] = []
    const stale: StaleFlow[] = []
    for (const { key, model } of changes) {
      const old = this.#services.get(key)
      before.push(...old?.elements ?? [])
      stale.push(...staleFlows(old?.model, model))
      if (model === undefined) {
        this.#services.delete(key)
        continue
      }
      const elements = compileService(model)
      after.push(...elements)
      this.#services.set(key, { model, elements })
    }
    const elements = this.#elements.replace(before, after)
    const { created, retired } = this.#chains.change(elements)
    const transaction = new Transaction({ family: 'inet', name: tables.proxy })
    for (const { family, count } of created) transaction.addChain(pickChain(family, count)).addElements(sets[family].pick, [pickElement(family, count)])
    for (const part of bySet(elements.removed)) transaction.deleteElements(part.set, part.elements)
    for (const part of bySet(elements.added)) {
      if (part.set.kind === 'map') transaction.addElements(part.set, part.elements as MapElement[])
      else transaction.addElements(part.set, part.elements)
    }
    for (const { family, count } of retired) transaction.deleteElements(sets[family].pick, [pickElement(family, count)]).deleteChain(`lb${family}-${count}`)
    return { transaction, stale }
  }
}

function bySet(elements: readonly Element[]): { readonly set: Element['set'], readonly elements: (SetElement | MapElement)[] }[] {
  return [...Map.groupBy(elements, ({ set }) => set)].map(([set, group]) => ({ set, elements: group.map(({ element }) => element) }))
}
