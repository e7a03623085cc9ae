import type { MessageWriter } from '@weft/netlink'
import { atomOf } from './atom.ts'
import { dataType } from './data-type.ts'
import { writeVerdict } from './encode-statement.ts'
import { isVerdict } from './format-table.ts'
import { formatTuple } from './format-value.ts'
import { keyTypes } from './key-type.ts'
import { type Layout, layoutOf, putNumber, putTuple } from './layout.ts'
import { NftError } from './nft-error.ts'
import * as nf from './nf-tables.ts'
import type { MapDeclaration, MapElement, SetDeclaration, SetElement } from './table.ts'
import { partsOf } from './value.ts'
import { commentTlv, elementTlv, openInterval } from './userdata.ts'

// Tuples are at most sixteen registers long.
const key = new DataView(new ArrayBuffer(64))
const keyEnd = new DataView(new ArrayBuffer(64))
const data = new DataView(new ArrayBuffer(64))

interface Codec {
  readonly key: Layout
  readonly data: Layout | undefined
  readonly isInterval: boolean
  readonly isConcat: boolean
}

const codecs = new WeakMap<object, Codec>()

function codecOf(set: SetDeclaration | MapDeclaration): Codec {
  let codec = codecs.get(set)
  if (codec === undefined) {
    const types = keyTypes(set.key)
    codec = {
      key: layoutOf(types),
      data: set.kind === 'map' && set.data !== 'verdict' ? layoutOf(set.data) : undefined,
      isInterval: set.flags.includes('interval'),
      isConcat: types.length > 1,
    }
    codecs.set(set, codec)
  }
  return codec
}

/** Writes one element as list items: two for a span in a set whose key has a single part, else one. */
export function writeElement(out: MessageWriter, set: SetDeclaration | MapDeclaration, element: SetElement | MapElement): void {
  const codec = codecOf(set)
  if (codec.isInterval && !codec.isConcat) {
    writeInterval(out, set, element)
    return
  }
  if (codec.isInterval) putTuple(codec.key, element.key, key, keyEnd)
  else putTuple(codec.key, element.key, key)
  out.startNested(nf.listAttr.element)
  writeKey(out, nf.elementAttr.key, key, codec.key.length)
  // The kernel could do without an end for single values; nft 1.0.6 then reads the next element as the end.
  if (codec.isInterval) writeKey(out, nf.elementAttr.keyEnd, keyEnd, codec.key.length)
  writeRest(out, set, element)
  out.endNested()
}

// A span of a single-part key is two elements, the second marking the first value after it.
function writeInterval(out: MessageWriter, set: SetDeclaration | MapDeclaration, element: SetElement | MapElement): void {
  const [name = 'integer'] = keyTypes(set.key)
  const type = dataType(name)
  const part = layoutOf([name]).parts[0]!
  const [single] = partsOf(element.key)
  const atom = atomOf(type, single!)
  if (atom.kind === 'text') throw new NftError('ERR_NFT_TYPE_MISMATCH', `Cannot use ${name} in an interval set: names have no order`)
  if (type.byteOrder === 'host') throw new NftError('ERR_NFT_TYPE_MISMATCH', `Cannot use ${name} in an interval set: its bytes have no order, compare ranges in rules`)
  const isOpen = atom.to === (1n << BigInt(type.bytes * 8)) - 1n
  putNumber(part, atom.from, key)
  out.startNested(nf.listAttr.element)
  writeKey(out, nf.elementAttr.key, key, type.bytes)
  writeRest(out, set, element, isOpen)
  out.endNested()
  if (isOpen) return
  putNumber(part, atom.to + 1n, keyEnd)
  out.startNested(nf.listAttr.element)
  out.attrU32be(nf.elementAttr.flags, nf.elementFlag.intervalEnd)
  writeKey(out, nf.elementAttr.key, keyEnd, type.bytes)
  out.endNested()
}

function writeKey(out: MessageWriter, attribute: number, view: DataView, length: number): void {
  out.startNested(attribute).attrBytes(nf.dataAttr.value, bytesOf(view, length)).endNested()
}

function writeRest(out: MessageWriter, set: SetDeclaration | MapDeclaration, element: SetElement | MapElement, isOpen = false): void {
  if (set.kind === 'map' && 'data' in element) {
    out.startNested(nf.elementAttr.data)
    if (isVerdict(element.data)) writeVerdict(out, element.data)
    else {
      const { data: layout } = codecOf(set)
      if (layout === undefined) throw new NftError('ERR_NFT_TYPE_MISMATCH', `Cannot add element to map "${set.name}": its data are verdicts`)
      putTuple(layout, element.data, data)
      out.attrBytes(nf.dataAttr.value, bytesOf(data, layout.length))
    }
    out.endNested()
  }
  if (element.timeoutMs !== undefined) out.attrU64be(nf.elementAttr.timeout, element.timeoutMs)
  if (element.comment !== undefined) out.attrBytes(nf.elementAttr.userdata, isOpen ? Buffer.concat([commentTlv(elementTlv.comment, element.comment), openInterval]) : commentTlv(elementTlv.comment, element.comment))
  else if (isOpen) out.attrBytes(nf.elementAttr.userdata, openInterval)
}

const views = new Map<DataView, Uint8Array[]>([[key, []], [keyEnd, []], [data, []]])

// Subarrays of the scratch views by length, so that none is made per element.
function bytesOf(view: DataView, length: number): Uint8Array {
  const cached = views.get(view)!
  return (cached[length] ??= new Uint8Array(view.buffer, 0, length))
}

/** Identity of an element's key as text of bytes: two elements with the same are the same to the kernel. */
export function elementKey(set: SetDeclaration | MapDeclaration, element: SetElement): string {
  const codec = codecOf(set)
  if (!codec.isInterval) {
    putTuple(codec.key, element.key, key)
    return latin1(key, codec.key.length)
  }
  putTuple(codec.key, element.key, key, keyEnd)
  return latin1(key, codec.key.length) + latin1(keyEnd, codec.key.length)
}

/** Identity of an element's data; empty for sets. */
export function elementData(set: SetDeclaration | MapDeclaration, element: SetElement | MapElement): string {
  if (set.kind === 'set' || !('data' in element)) return ''
  if (isVerdict(element.data)) return `${element.data.verdict} ${element.data.chain ?? ''}`
  const { data: layout } = codecOf(set)
  if (layout === undefined) return ''
  putTuple(layout, element.data, data)
  return latin1(data, layout.length)
}

function latin1(view: DataView, length: number): string {
  return Buffer.from(view.buffer, 0, length).toString('latin1')
}

/**
 * Refuses elements that overlap: the kernel would refuse the batch without saying which.
 *
 * @throws {NftError} `ERR_NFT_INTERVAL_OVERLAP`, naming the two.
 */
export function checkOverlaps(set: SetDeclaration | MapDeclaration, elements: readonly SetElement[]): void {
  const { isInterval, isConcat } = codecOf(set)
  if (!isInterval || isConcat) return
  const types = keyTypes(set.key)
  const type = dataType(types[0] ?? 'integer')
  const spans = elements.map((element) => {
    const atom = atomOf(type, partsOf(element.key)[0]!)
    return { element, from: atom.kind === 'number' ? atom.from : 0n, to: atom.kind === 'number' ? atom.to : 0n }
  })
  spans.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
  for (let i = 1; i < spans.length; i++) {
    if (spans[i]!.from > spans[i - 1]!.to) continue
    const [one, other] = [spans[i - 1]!, spans[i]!].map((span) => formatTuple(types, span.element.key))
    throw new NftError('ERR_NFT_INTERVAL_OVERLAP', `Cannot add elements to set "${set.name}": ${one} and ${other} overlap`)
  }
}
