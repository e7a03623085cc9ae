import { MessageWriter } from '@weft/netlink'
import { anonymousSets } from './anonymous-set.ts'
import { checkOverlaps, writeElement } from './element-encoder.ts'
import { encodeStatement } from './encode-statement.ts'
import { ExpressionWriter, anonymousName } from './expression-writer.ts'
import { fingerprint } from './fingerprint.ts'
import { formatRule } from './format-table.ts'
import { keyTypes } from './key-type.ts'
import { layoutOf } from './layout.ts'
import { dataType, type DataTypeName } from './data-type.ts'
import * as nf from './nf-tables.ts'
import type { Operation } from './operation.ts'
import { resolveRule } from './protocol-context.ts'
import type { Chain, CounterDeclaration, MapDeclaration, MapElement, Rule, SetDeclaration, SetElement, TableName } from './table.ts'
import { COMMENT_TLV, commentTlv, ruleUserdata, setUserdata } from './userdata.ts'

const CREATE = 0x400
const EXCLUSIVE = 0x200
const APPEND = 0x800
const REPLACE = 0x100
/** A list of elements is one attribute, whose length has 16 bits; room for one more element is left. */
const FULL_LIST = 0xffff - 1024

/** What is asked of the kernel it may not have. */
export interface BatchOptions {
  /** `destroy` messages (kernel 6.3); without, tables and chains are added and then deleted. */
  readonly canDestroy: boolean
}

/** A message of a batch: where it lies, and which operation it belongs to. */
export interface BatchMessage {
  readonly start: number
  readonly operation: number
  /** Declarations and elements may be committed before the rest; the others belong together. */
  readonly isData: boolean
  /** Adds or removes elements of a named set. */
  readonly isElement: boolean
}

/** Messages of a transaction, without the begin and end of a batch. */
export interface EncodedBatch {
  readonly bytes: Uint8Array
  readonly messages: readonly BatchMessage[]
}

/** Encodes the operations of a transaction. Sequence numbers are left 0 for the socket to fill in. */
export function encodeBatch(table: TableName, operations: readonly Operation[], options: BatchOptions): EncodedBatch {
  return new BatchEncoder(table, options).encode(operations)
}

class BatchEncoder {
  readonly #table: TableName
  readonly #options: BatchOptions
  readonly #out = new MessageWriter(4096)
  readonly #messages: BatchMessage[] = []
  #operation = 0
  #nextSetId = 1

  constructor(table: TableName, options: BatchOptions) {
    this.#table = table
    this.#options = options
  }

  encode(operations: readonly Operation[]): EncodedBatch {
    for (const [index, operation] of operations.entries()) {
      this.#operation = index
      this.#one(operation)
    }
    return { bytes: this.#out.bytes(), messages: this.#messages }
  }

  #one(operation: Operation): void {
    switch (operation.object) {
      case 'table':
        if (operation.verb === 'add' || operation.verb === 'create') this.#addTable(operation.verb === 'create', operation.comment)
        else this.#remove({ verb: operation.verb, delete: nf.message.delTable, destroy: nf.message.destroyTable, add: () => this.#addTable(false, undefined) }, () => {
          this.#out.attrString(nf.tableAttr.name, this.#table.name)
        })
        return
      case 'chain':
        if ('chain' in operation) this.#addChain(operation.chain, operation.verb === 'create')
        else if (operation.verb === 'flush') {
          this.#message(nf.message.delRule, 0, { isData: false }, (out) => out.attrString(nf.ruleAttr.table, this.#table.name).attrString(nf.ruleAttr.chain, operation.name))
        } else {
          const { name } = operation
          this.#remove({ verb: operation.verb, delete: nf.message.delChain, destroy: nf.message.destroyChain, add: () => this.#addChain({ name, rules: [] }, false) }, (out) => {
            out.attrString(nf.chainAttr.table, this.#table.name).attrString(nf.chainAttr.name, name)
          })
        }
        return
      case 'rule': this.#rule(operation); return
      case 'set':
        if ('set' in operation) this.#addSet(operation.set, { exclusive: operation.verb === 'create', id: undefined, name: operation.set.name, of: undefined })
        else if (operation.verb === 'flush') {
          this.#message(nf.message.delSetElement, 0, { isData: false }, (out) => {
            out.attrString(nf.elementListAttr.table, this.#table.name).attrString(nf.elementListAttr.set, operation.name)
          })
        } else {
          const { name } = operation
          this.#remove({ verb: operation.verb, delete: nf.message.delSet, destroy: nf.message.destroySet, add: undefined }, (out) => {
            out.attrString(nf.setAttr.table, this.#table.name).attrString(nf.setAttr.name, name)
          })
        }
        return
      case 'element': this.#elements(operation); return
      case 'counter':
        if ('counter' in operation) this.#addCounter(operation.counter, operation.verb === 'create')
        else {
          const { name } = operation
          this.#remove({ verb: operation.verb, delete: nf.message.delObject, destroy: nf.message.destroyObject, add: () => this.#addCounter({ kind: 'counter', name, packets: 0n, bytes: 0n }, false) }, (out) => {
            out.attrString(nf.objectAttr.table, this.#table.name).attrString(nf.objectAttr.name, name).attrU32be(nf.objectAttr.type, nf.OBJECT_COUNTER)
          })
        }
    }
  }

  #message(type: number, flags: number, options: { readonly isData: boolean; readonly isElement?: boolean }, write: (out: MessageWriter) => void): void {
    const out = this.#out
    this.#messages.push({ start: out.length, operation: this.#operation, isData: options.isData, isElement: options.isElement ?? false })
    // struct nfgenmsg: family, version 0, resource id.
    out.startMessage((nf.SUBSYSTEM << 8) | type, flags, 0).putU8(nf.family[this.#table.family]).putU8(0).putU16be(0)
    write(out)
    out.endMessage()
  }

  #remove(
    how: { readonly verb: 'delete' | 'destroy'; readonly delete: number; readonly destroy: number; readonly add: (() => void) | undefined },
    write: (out: MessageWriter) => void,
  ): void {
    const native = how.verb === 'destroy' && this.#options.canDestroy
    if (how.verb === 'destroy' && !native) how.add?.()
    this.#message(native ? how.destroy : how.delete, 0, { isData: false }, write)
  }

  #addTable(exclusive: boolean, comment: string | undefined): void {
    this.#message(nf.message.newTable, CREATE | (exclusive ? EXCLUSIVE : 0), { isData: true }, (out) => {
      out.attrString(nf.tableAttr.name, this.#table.name).attrU32be(nf.tableAttr.flags, 0)
      if (comment !== undefined) out.attrBytes(nf.tableAttr.userdata, commentTlv(COMMENT_TLV, comment))
    })
  }

  #addChain(chain: Chain, exclusive: boolean): void {
    const { base } = chain
    // A base chain begins to work when it exists, and its policy may drop: it belongs to its rules.
    this.#message(nf.message.newChain, CREATE | (exclusive ? EXCLUSIVE : 0), { isData: base === undefined }, (out) => {
      out.attrString(nf.chainAttr.table, this.#table.name).attrString(nf.chainAttr.name, chain.name)
      if (base !== undefined) {
        out.attrString(nf.chainAttr.type, base.type).startNested(nf.chainAttr.hook).attrU32be(nf.hookAttr.number, hookNumber(this.#table, base.hook))
          .attrU32be(nf.hookAttr.priority, base.priority >>> 0)
        if (base.device !== undefined) out.attrString(nf.hookAttr.device, base.device)
        out.endNested().attrU32be(nf.chainAttr.policy, base.policy === 'drop' ? 0 : 1)
      }
      if (chain.comment !== undefined) out.attrBytes(nf.chainAttr.userdata, commentTlv(COMMENT_TLV, chain.comment))
    })
  }

  #addCounter(counter: CounterDeclaration, exclusive: boolean): void {
    this.#message(nf.message.newObject, CREATE | (exclusive ? EXCLUSIVE : 0), { isData: true }, (out) => {
      out.attrString(nf.objectAttr.table, this.#table.name).attrString(nf.objectAttr.name, counter.name).attrU32be(nf.objectAttr.type, nf.OBJECT_COUNTER)
      if (counter.comment !== undefined) out.attrBytes(nf.objectAttr.userdata, commentTlv(COMMENT_TLV, counter.comment))
      out.startNested(nf.objectAttr.data).attrU64be(nf.counterAttr.bytes, counter.bytes).attrU64be(nf.counterAttr.packets, counter.packets).endNested()
    })
  }

  #rule(operation: Operation & { readonly object: 'rule' }): void {
    const { chain } = operation
    if (operation.verb === 'delete') {
      this.#message(nf.message.delRule, 0, { isData: false }, (out) => {
        out.attrString(nf.ruleAttr.table, this.#table.name).attrString(nf.ruleAttr.chain, chain).attrU64be(nf.ruleAttr.handle, operation.handle)
      })
      return
    }
    const { rule } = operation
    const resolved = resolveRule(this.#table.family, rule)
    const ids = new Map<object, number>()
    for (const { of, declaration } of anonymousSets(resolved)) {
      const id = this.#nextSetId++
      ids.set(of, id)
      const name = anonymousName(of)
      this.#addSet(declaration, { exclusive: false, id, name, of })
      this.#writeElements(nf.message.newSetElement, { flags: CREATE, name, id, set: declaration, isData: false }, declaration.elements)
    }
    const flags = operation.verb === 'replace' ? CREATE | REPLACE : operation.verb === 'add' ? CREATE | APPEND : CREATE
    this.#message(nf.message.newRule, flags, { isData: false }, (out) => {
      out.attrString(nf.ruleAttr.table, this.#table.name).attrString(nf.ruleAttr.chain, chain)
      if (operation.verb === 'replace') out.attrU64be(nf.ruleAttr.handle, operation.handle)
      const position = operation.verb === 'add' ? operation.after : operation.verb === 'insert' ? operation.before : undefined
      if (position !== undefined) out.attrU64be(nf.ruleAttr.position, position)
      out.startNested(nf.ruleAttr.expressions)
      const writer = new ExpressionWriter(out, ids)
      for (const statement of resolved) encodeStatement(writer, statement, this.#table.family)
      out.endNested().attrBytes(nf.ruleAttr.userdata, ruleUserdata(rule.comment, ruleFingerprint(this.#table, rule)))
    })
  }

  #addSet(set: SetDeclaration | MapDeclaration, how: { readonly exclusive: boolean; readonly id: number | undefined; readonly name: string; readonly of: object | undefined }): void {
    const types = keyTypes(set.key)
    const layout = layoutOf(types)
    const isConcatInterval = types.length > 1 && set.flags.includes('interval')
    this.#message(nf.message.newSet, CREATE | (how.exclusive ? EXCLUSIVE : 0), { isData: how.of === undefined }, (out) => {
      let flags = 0
      for (const flag of set.flags) flags |= nf.setFlag[flag]
      if (set.kind === 'map') flags |= nf.setFlag.map
      if (how.of !== undefined) flags |= nf.setFlag.anonymous
      if (set.timeoutMs !== undefined) flags |= nf.setFlag.timeout
      if (isConcatInterval) flags |= nf.setFlag.concat
      out.attrString(nf.setAttr.table, this.#table.name).attrString(nf.setAttr.name, how.name).attrU32be(nf.setAttr.flags, flags)
        .attrU32be(nf.setAttr.keyType, typeWord(types)).attrU32be(nf.setAttr.keyLength, layout.length)
      if (set.kind === 'map') {
        if (set.data === 'verdict') out.attrU32be(nf.setAttr.dataType, nf.VERDICT_TYPE).attrU32be(nf.setAttr.dataLength, 0)
        else out.attrU32be(nf.setAttr.dataType, typeWord(set.data)).attrU32be(nf.setAttr.dataLength, layoutOf(set.data).length)
      }
      out.attrU32be(nf.setAttr.id, how.id ?? this.#nextSetId++)
      const size = how.of === undefined ? set.size : set.elements.length
      if ((size !== undefined && !(how.of !== undefined && set.flags.includes('interval'))) || isConcatInterval) {
        out.startNested(nf.setAttr.description)
        if (size !== undefined) out.attrU32be(nf.setDescriptionAttr.size, size)
        if (isConcatInterval) {
          out.startNested(nf.setDescriptionAttr.concat)
          for (const part of layout.parts) out.startNested(nf.listAttr.element).attrU32be(nf.setFieldAttr.length, part.bytes).endNested()
          out.endNested()
        }
        out.endNested()
      }
      if (set.timeoutMs !== undefined) out.attrU64be(nf.setAttr.timeout, set.timeoutMs)
      out.attrBytes(nf.setAttr.userdata, setUserdata(set))
      if (set.counter) out.startNested(nf.setAttr.expression).attrString(nf.expressionAttr.name, 'counter').startNested(nf.expressionAttr.data).endNested().endNested()
    })
  }

  #elements({ verb, set, elements }: Operation & { readonly object: 'element' }): void {
    const isAddition = verb === 'add' || verb === 'create'
    if (isAddition) checkOverlaps(set, elements)
    const type = isAddition ? nf.message.newSetElement : verb === 'destroy' && this.#options.canDestroy ? nf.message.destroySetElement : nf.message.delSetElement
    if (verb === 'destroy' && !this.#options.canDestroy) {
      this.#writeElements(nf.message.newSetElement, { flags: CREATE, name: set.name, id: undefined, set, isData: true }, elements)
    }
    const flags = isAddition ? CREATE | (verb === 'create' ? EXCLUSIVE : 0) : 0
    const bare = isAddition || verb === 'destroy' ? elements : elements.map(({ key }): SetElement => ({ key }))
    this.#writeElements(type, { flags, name: set.name, id: undefined, set, isData: true }, bare)
  }

  #writeElements(
    type: number,
    how: { readonly flags: number; readonly name: string; readonly id: number | undefined; readonly set: SetDeclaration | MapDeclaration; readonly isData: boolean },
    elements: readonly (SetElement | MapElement)[],
  ): void {
    for (let at = 0; at < elements.length;) {
      this.#message(type, how.flags, { isData: how.isData, isElement: how.isData }, (out) => {
        out.attrString(nf.elementListAttr.table, this.#table.name).attrString(nf.elementListAttr.set, how.name)
        if (how.id !== undefined) out.attrU32be(nf.elementListAttr.setId, how.id)
        out.startNested(nf.elementListAttr.elements)
        for (const start = out.length; at < elements.length && out.length - start < FULL_LIST; at++) writeElement(out, how.set, elements[at]!)
        out.endNested()
      })
    }
  }
}

/** Identity of a rule in a table of this family. */
export function ruleFingerprint(table: TableName, rule: Rule): string {
  return fingerprint(formatRule(table.family, rule))
}

/** nftables' type number of a concatenation: six bits a part. */
function typeWord(types: readonly DataTypeName[]): number {
  return types.reduce((word, name) => (word * 64 + dataType(name).id) >>> 0, 0)
}

function hookNumber(table: TableName, hook: keyof typeof nf.hook): number {
  // NF_NETDEV_INGRESS is 0, NF_INET_INGRESS 5.
  return table.family === 'netdev' && hook === 'ingress' ? 0 : nf.hook[hook]
}
