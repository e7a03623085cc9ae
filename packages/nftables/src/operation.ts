import type { Chain, CounterDeclaration, MapDeclaration, MapElement, Rule, SetDeclaration, SetElement } from './table.ts'

/** One step of a {@link Transaction}. Verbs mean what they mean in nft; `destroy` is a delete that does not mind absence. */
export type Operation =
  | { readonly verb: 'add' | 'create'; readonly object: 'table'; readonly comment?: string | undefined }
  | { readonly verb: 'delete' | 'destroy'; readonly object: 'table' }
  | { readonly verb: 'add' | 'create'; readonly object: 'chain'; readonly chain: Chain }
  | { readonly verb: 'delete' | 'destroy' | 'flush'; readonly object: 'chain'; readonly name: string }
  | { readonly verb: 'add'; readonly object: 'rule'; readonly chain: string; readonly rule: Rule; readonly after?: bigint | undefined }
  | { readonly verb: 'insert'; readonly object: 'rule'; readonly chain: string; readonly rule: Rule; readonly before?: bigint | undefined }
  | { readonly verb: 'replace'; readonly object: 'rule'; readonly chain: string; readonly rule: Rule; readonly handle: bigint }
  | { readonly verb: 'delete'; readonly object: 'rule'; readonly chain: string; readonly handle: bigint }
  | { readonly verb: 'add' | 'create'; readonly object: 'set'; readonly set: SetDeclaration | MapDeclaration }
  | { readonly verb: 'delete' | 'destroy' | 'flush'; readonly object: 'set'; readonly kind: 'set' | 'map'; readonly name: string }
  | { readonly verb: 'add' | 'create' | 'delete' | 'destroy'; readonly object: 'element'; readonly set: SetDeclaration | MapDeclaration; readonly elements: readonly (SetElement | MapElement)[] }
  | { readonly verb: 'add' | 'create'; readonly object: 'counter'; readonly counter: CounterDeclaration }
  | { readonly verb: 'delete' | 'destroy'; readonly object: 'counter'; readonly name: string }
