import type { MessageWriter } from '@weft/netlink'
import { atomOf } from './atom.ts'
import { type DataTypeName, dataType } from './data-type.ts'
import { type Expression, type Jhash, typesOf } from './expression.ts'
import { type LayoutPart, layoutOf, putNumber } from './layout.ts'
import { NftError } from './nft-error.ts'
import * as nf from './nf-tables.ts'
import type { Scalar, Value } from './value.ts'

/** Registers are sixteen slots of four bytes, numbered from NFT_REG32_00. */
const FIRST_REGISTER = 8
/** Register that a verdict goes to. */
const VERDICT_REGISTER = 0

/** Ids that anonymous sets got in this batch. */
export type AnonymousIds = ReadonlyMap<object, number>

/** Writes the kernel's expressions of one rule: small steps on registers. */
export class ExpressionWriter {
  readonly out: MessageWriter
  readonly #anonymous: AnonymousIds

  constructor(out: MessageWriter, anonymous: AnonymousIds) {
    this.out = out
    this.#anonymous = anonymous
  }

  /** One expression: its name, and the attributes `write` adds. */
  step(name: string, write: (out: MessageWriter) => void): void {
    const { out } = this
    out.startNested(nf.listAttr.element).attrString(nf.expressionAttr.name, name).startNested(nf.expressionAttr.data)
    write(out)
    out.endNested().endNested()
  }

  /**
   * Loads `expression` from slot `slot` on.
   *
   * @param expected Types a constant takes.
   * @returns Slots used.
   */
  load(expression: Expression, slot: number, expected: readonly DataTypeName[] = []): number {
    const dreg = FIRST_REGISTER + slot
    const slots = widthOf(expression, expected)
    if (slot + slots > 16) throw new NftError('ERR_NFT_TYPE_MISMATCH', `Cannot load ${slot + slots} registers: the kernel has 16 of four bytes`)
    switch (expression.kind) {
      case 'payload':
        this.step('payload', (out) => {
          out.attrU32be(nf.payloadAttr.dreg, dreg).attrU32be(nf.payloadAttr.base, nf.payloadBase[expression.base])
            .attrU32be(nf.payloadAttr.offset, expression.offset).attrU32be(nf.payloadAttr.length, expression.bytes)
        })
        break
      case 'meta':
        this.step('meta', (out) => out.attrU32be(nf.metaAttr.key, nf.metaKey[expression.key]).attrU32be(nf.metaAttr.dreg, dreg))
        break
      case 'ct':
        this.step('ct', (out) => {
          out.attrU32be(nf.ctAttr.key, nf.ctKey[expression.key]).attrU32be(nf.ctAttr.dreg, dreg)
          if (expression.direction) out.attrU8(nf.ctAttr.direction, expression.direction === 'original' ? 0 : 1)
        })
        break
      case 'fib': {
        let flags = 0
        for (const flag of expression.flags) flags |= nf.fibFlag[flag]
        if (expression.result === 'oif') flags |= nf.fibFlag.present
        this.step('fib', (out) => out.attrU32be(nf.fibAttr.dreg, dreg).attrU32be(nf.fibAttr.result, nf.fibResult[expression.result]).attrU32be(nf.fibAttr.flags, flags))
        break
      }
      case 'numgen':
        this.step('numgen', (out) => {
          out.attrU32be(nf.numgenAttr.dreg, dreg).attrU32be(nf.numgenAttr.modulus, expression.modulus)
            .attrU32be(nf.numgenAttr.type, expression.mode === 'random' ? 1 : 0).attrU32be(nf.numgenAttr.offset, expression.offset)
        })
        break
      case 'jhash': this.#hash(expression, slot); break
      case 'concat': {
        let at = slot
        for (const part of expression.parts) at += this.load(part, at)
        break
      }
      case 'bits': {
        const [name = 'mark'] = typesOf(expression.of)
        const part = partOf(name, expression.of)
        this.load(expression.of, slot)
        this.bitwise(slot, part, [BigInt(expression.mask), BigInt(expression.xor)])
        break
      }
      case 'lookup': {
        this.load(expression.key, slot)
        this.lookup(slot, { name: expression.map, dreg })
        break
      }
      case 'anonymous-map': {
        this.load(expression.key, slot)
        this.lookup(slot, { of: expression, dreg })
        break
      }
      case 'constant': this.constant(slot, expected[0] ?? 'integer', expression.value); break
    }
    return slots
  }

  /** `slot = (slot & mask) ^ xor`. */
  bitwise(slot: number, part: LayoutPart, [mask, xor]: readonly [bigint, bigint]): void {
    this.step('bitwise', (out) => {
      out.attrU32be(nf.bitwiseAttr.sreg, FIRST_REGISTER + slot).attrU32be(nf.bitwiseAttr.dreg, FIRST_REGISTER + slot).attrU32be(nf.bitwiseAttr.length, part.bytes)
      this.value(nf.bitwiseAttr.mask, bytesOf(part, mask & ((1n << BigInt(part.bytes * 8)) - 1n)))
      this.value(nf.bitwiseAttr.xor, bytesOf(part, xor))
    })
  }

  /** Host order to network order and so on: for `<` and ranges, which compare bytes. */
  toNetworkOrder(slot: number, bytes: number): void {
    this.step('byteorder', (out) => {
      out.attrU32be(nf.byteorderAttr.sreg, FIRST_REGISTER + slot).attrU32be(nf.byteorderAttr.dreg, FIRST_REGISTER + slot).attrU32be(nf.byteorderAttr.op, 1)
        .attrU32be(nf.byteorderAttr.length, bytes).attrU32be(nf.byteorderAttr.size, bytes)
    })
  }

  compare(slot: number, op: keyof typeof nf.compareOp, bytes: Uint8Array): void {
    this.step('cmp', (out) => {
      out.attrU32be(nf.compareAttr.sreg, FIRST_REGISTER + slot).attrU32be(nf.compareAttr.op, nf.compareOp[op])
      this.value(nf.compareAttr.data, bytes)
    })
  }

  outsideRange(slot: number, from: Uint8Array, to: Uint8Array): void {
    this.step('range', (out) => {
      out.attrU32be(nf.rangeAttr.sreg, FIRST_REGISTER + slot).attrU32be(nf.rangeAttr.op, 1)
      this.value(nf.rangeAttr.from, from)
      this.value(nf.rangeAttr.to, to)
    })
  }

  /** Looks the key at `slot` up; without `dreg` it only tests membership. */
  lookup(slot: number, options: { readonly name?: string; readonly of?: object; readonly dreg?: number; readonly negated?: boolean }): void {
    this.step('lookup', (out) => {
      this.#setReference(nf.lookupAttr.set, nf.lookupAttr.setId, options)
      out.attrU32be(nf.lookupAttr.sreg, FIRST_REGISTER + slot)
      if (options.dreg !== undefined) out.attrU32be(nf.lookupAttr.dreg, options.dreg)
      if (options.negated) out.attrU32be(nf.lookupAttr.flags, 1)
    })
  }

  /** Looks a verdict up and obeys it. */
  verdictLookup(slot: number, options: { readonly name?: string; readonly of?: object }): void {
    this.lookup(slot, { ...options, dreg: VERDICT_REGISTER })
  }

  constant(slot: number, type: DataTypeName, value: Scalar): void {
    const part = layoutOf([type]).parts[0]!
    this.immediate(slot, scalarBytes(part, value))
  }

  immediate(slot: number, bytes: Uint8Array): void {
    this.step('immediate', (out) => {
      out.attrU32be(nf.immediateAttr.dreg, FIRST_REGISTER + slot)
      this.value(nf.immediateAttr.data, bytes)
    })
  }

  /** A data attribute holding plain bytes. */
  value(attribute: number, bytes: Uint8Array): void {
    this.out.startNested(attribute).attrBytes(nf.dataAttr.value, bytes).endNested()
  }

  register(slot: number): number {
    return FIRST_REGISTER + slot
  }

  #hash(expression: Jhash, slot: number): void {
    // The key is read whole before the register is written.
    this.load(expression.of, slot)
    const length = lengthOf(expression.of)
    this.step('hash', (out) => {
      out.attrU32be(nf.hashAttr.sreg, FIRST_REGISTER + slot).attrU32be(nf.hashAttr.dreg, FIRST_REGISTER + slot).attrU32be(nf.hashAttr.length, length)
        .attrU32be(nf.hashAttr.modulus, expression.modulus)
      if (expression.seed !== 0) out.attrU32be(nf.hashAttr.seed, expression.seed)
      if (expression.offset !== 0) out.attrU32be(nf.hashAttr.offset, expression.offset)
      out.attrU32be(nf.hashAttr.type, 0)
    })
  }

  #setReference(nameAttribute: number, idAttribute: number, options: { readonly name?: string; readonly of?: object }): void {
    const id = options.of === undefined ? undefined : this.#anonymous.get(options.of)
    if (id === undefined || options.of === undefined) this.out.attrString(nameAttribute, options.name ?? '')
    else this.out.attrString(nameAttribute, anonymousName(options.of)).attrU32be(idAttribute, id)
  }
}

/** Template the kernel makes a unique name from. */
export function anonymousName(of: object): string {
  return 'kind' in of && of.kind === 'membership' ? '__set%d' : '__map%d'
}

/** Where an expression's only part lies, with the field's own width. */
export function partOf(name: DataTypeName, expression: Expression): LayoutPart {
  const type = dataType(name)
  // A fib lookup fills a whole register even where the answer is yes or no.
  return { type, offset: 0, bytes: expression.kind === 'payload' ? expression.bytes : expression.kind === 'fib' && expression.result === 'oif' ? 4 : type.bytes }
}

/** A number in the byte order of `part`. */
export function bytesOf(part: LayoutPart, number: bigint): Uint8Array {
  const bytes = new Uint8Array(part.bytes)
  putNumber({ ...part, offset: 0 }, number, new DataView(bytes.buffer))
  return bytes
}

/** A single value as bytes; text is padded with zeros to the width of the type. */
export function scalarBytes(part: LayoutPart, value: Value): Uint8Array {
  const atom = atomOf(part.type, value, part.bytes)
  if (atom.kind === 'number') return bytesOf(part, atom.from)
  const bytes = new Uint8Array(part.bytes)
  bytes.set(Buffer.from(atom.text))
  return bytes
}

function widthOf(expression: Expression, expected: readonly DataTypeName[]): number {
  const types = expression.kind === 'constant' ? expected : typesOf(expression)
  const own = types.reduce((slots, name) => slots + ((dataType(name).bytes + 3) >> 2), 0)
  return Math.max(own, 1)
}

// jhash of a concatenation covers its registers, padding and all, except behind the last part.
function lengthOf(expression: Expression): number {
  if (expression.kind === 'payload') return expression.bytes
  if (expression.kind !== 'concat') return layoutOf(typesOf(expression)).length
  const layout = layoutOf(typesOf(expression))
  return layout.length
}
