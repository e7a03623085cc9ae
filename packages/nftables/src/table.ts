import type { DataTypeName } from './data-type.ts'
import type { Expression } from './expression.ts'
import type { Statement, Verdict } from './statement.ts'
import type { Tuple } from './value.ts'

export type TableFamily = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev'

/** Identity of a table. */
export interface TableName {
  readonly family: TableFamily
  readonly name: string
}

/** Type of a key: its parts, or the expressions they stand for (needed for `numgen`, whose plain integer has no name of its own). */
export type KeyType = readonly DataTypeName[] | { readonly typeof: readonly Expression[] }

export type SetFlag = 'constant' | 'interval' | 'timeout' | 'dynamic'

/** An element of a set. */
export interface SetElement {
  /** One value, or one per part of the key. Networks and ranges need the `interval` flag. */
  readonly key: Tuple
  readonly comment?: string | undefined
  readonly timeoutMs?: number | undefined
  /** Time left; read from the kernel, ignored in comparisons. */
  readonly expiresMs?: number | undefined
}

/** An element of a map. */
export interface MapElement extends SetElement {
  readonly data: Tuple | Verdict
}

interface Collection {
  readonly name: string
  readonly key: KeyType
  readonly flags: readonly SetFlag[]
  /** Largest number of elements; dynamic sets need one. */
  readonly size?: number | undefined
  /** Life of an element without a timeout of its own. */
  readonly timeoutMs?: number | undefined
  readonly comment?: string | undefined
  /** Each element counts packets and bytes. */
  readonly counter: boolean
}

/** `set name { type …; flags …; elements = { … } }`. */
export interface SetDeclaration extends Collection {
  readonly kind: 'set'
  readonly elements: readonly SetElement[]
}

/** `map name { type … : …; elements = { … } }`. */
export interface MapDeclaration extends Collection {
  readonly kind: 'map'
  readonly data: readonly DataTypeName[] | 'verdict'
  readonly elements: readonly MapElement[]
}

/** `counter name { packets 0 bytes 0 }`. */
export interface CounterDeclaration {
  readonly kind: 'counter'
  readonly name: string
  readonly comment?: string | undefined
  /** Readings; ignored in comparisons. */
  readonly packets: bigint
  readonly bytes: bigint
}

/** Statements in order, and a comment that lists show. */
export interface Rule {
  readonly statements: readonly Statement[]
  /** At most 128 bytes. */
  readonly comment?: string | undefined
}

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress'

/** Where the kernel enters a base chain. */
export interface BaseChain {
  readonly type: 'filter' | 'nat' | 'route'
  readonly hook: Hook
  /** Lower runs first; `namedPriority` has nft's words. */
  readonly priority: number
  readonly policy: 'accept' | 'drop'
  /** Device of `ingress` and `egress`. */
  readonly device?: string | undefined
}

/** A list of rules; with `base`, one the kernel enters. */
export interface Chain {
  readonly name: string
  readonly base?: BaseChain | undefined
  readonly comment?: string | undefined
  readonly rules: readonly Rule[]
}

/** A whole private table. Sets come before maps, as our executor creates them. */
export interface Table extends TableName {
  readonly comment?: string | undefined
  readonly counters: readonly CounterDeclaration[]
  readonly sets: readonly SetDeclaration[]
  readonly maps: readonly MapDeclaration[]
  readonly chains: readonly Chain[]
}
