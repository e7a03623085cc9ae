import type { Cidr } from './cidr.ts'
import { addressBits, type Family, type IpAddress } from './ip-address.ts'
import { bitAt, commonBits, type Key, keyOf } from './trie-key.ts'

interface Entry<V> {
  readonly cidr: Cidr
  readonly value: V
}

/** A network of the trie, or a fork between two: then without entry and with both children. */
interface TrieNode<V> extends Key {
  readonly prefix: number
  entry: Entry<V> | undefined
  zero: TrieNode<V> | undefined
  one: TrieNode<V> | undefined
}

/**
 * Values by network, with the longest match for an address. A binary trie that skips bits nobody differs in (PATRICIA):
 * a lookup or a change costs the number of networks nested or forking on the way, at most 32 or 128, whatever the number
 * of networks.
 */
export class PrefixTrie<V> {
  readonly #roots: Record<Family, TrieNode<V> | undefined> = { 4: undefined, 6: undefined }
  #size = 0

  /** Number of networks. */
  get size(): number {
    return this.#size
  }

  /** Replaces what the very same network had. */
  set(cidr: Cidr, value: V): void {
    const key = keyOf(cidr)
    const leaf: TrieNode<V> = { ...key, prefix: cidr.prefix, entry: { cidr, value }, zero: undefined, one: undefined }
    let parent: TrieNode<V> | undefined
    let node = this.#roots[cidr.family]
    while (node !== undefined) {
      const common = Math.min(commonBits(node, key), node.prefix, cidr.prefix)
      if (common < node.prefix) {
        // They part ways before this node: the new network stands above it, or a fork above both.
        const above = common === cidr.prefix ? leaf : { ...key, prefix: common, entry: undefined, zero: undefined, one: undefined }
        if (above !== leaf) setChild(above, key, leaf)
        setChild(above, node, node)
        this.#place(cidr.family, parent, above)
        this.#size += 1
        return
      }
      if (common === cidr.prefix) {
        if (node.entry === undefined) this.#size += 1
        node.entry = leaf.entry
        return
      }
      parent = node
      node = bitAt(key, node.prefix) ? node.one : node.zero
    }
    this.#place(cidr.family, parent, leaf)
    this.#size += 1
  }

  /** The value of exactly that network. */
  get(cidr: Cidr): V | undefined {
    return this.#pathTo(cidr)?.node.entry?.value
  }

  /** @returns Whether it was there. */
  delete(cidr: Cidr): boolean {
    const path = this.#pathTo(cidr)
    if (path?.node.entry === undefined) return false
    const { node, parent, grandparent } = path
    node.entry = undefined
    this.#size -= 1
    if (node.zero !== undefined && node.one !== undefined) return true
    const child = node.zero ?? node.one
    if (child !== undefined || parent === undefined) {
      this.#replace(cidr.family, parent, node, child)
      return true
    }
    this.#replace(cidr.family, parent, node, undefined)
    // A fork with one way left is none.
    if (parent.entry === undefined) this.#replace(cidr.family, grandparent, parent, parent.zero ?? parent.one)
    return true
  }

  /** The most specific network that contains the address. */
  lookup(ip: IpAddress): { readonly cidr: Cidr, readonly value: V } | undefined {
    const key = keyOf(ip)
    const width = addressBits(ip.family)
    let best: Entry<V> | undefined
    let node = this.#roots[ip.family]
    while (node !== undefined && commonBits(node, key) >= node.prefix) {
      if (node.entry !== undefined) best = node.entry
      if (node.prefix === width) break
      node = bitAt(key, node.prefix) ? node.one : node.zero
    }
    return best
  }

  /** All networks in order: IPv4 first, by address, the shorter prefix first. */
  * entries(): Generator<readonly [cidr: Cidr, value: V], void, undefined> {
    for (const family of [4, 6] as const) {
      const root = this.#roots[family]
      const stack = root === undefined ? [] : [root]
      for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
        if (node.entry !== undefined) yield [node.entry.cidr, node.entry.value]
        if (node.one !== undefined) stack.push(node.one)
        if (node.zero !== undefined) stack.push(node.zero)
      }
    }
  }

  #pathTo(cidr: Cidr): { readonly node: TrieNode<V>, readonly parent: TrieNode<V> | undefined, readonly grandparent: TrieNode<V> | undefined } | undefined {
    const key = keyOf(cidr)
    let grandparent: TrieNode<V> | undefined
    let parent: TrieNode<V> | undefined
    let node = this.#roots[cidr.family]
    while (node !== undefined && node.prefix < cidr.prefix) {
      grandparent = parent
      parent = node
      node = bitAt(key, node.prefix) ? node.one : node.zero
    }
    return node !== undefined && node.prefix === cidr.prefix && commonBits(node, key) >= cidr.prefix ? { node, parent, grandparent } : undefined
  }

  #place(family: Family, parent: TrieNode<V> | undefined, node: TrieNode<V>): void {
    if (parent === undefined) this.#roots[family] = node
    else setChild(parent, node, node)
  }

  #replace(family: Family, parent: TrieNode<V> | undefined, old: TrieNode<V>, by: TrieNode<V> | undefined): void {
    if (parent === undefined) this.#roots[family] = by
    else setChild(parent, old, by)
  }
}

function setChild<V>(parent: TrieNode<V>, key: Key, child: TrieNode<V> | undefined): void {
  if (bitAt(key, parent.prefix)) parent.one = child
  else parent.zero = child
}
