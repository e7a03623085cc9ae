import { Attributes, decodeAttributes, forEachAttribute, NetlinkDecodeError, type NetlinkMessage, NLA_HEADER_LENGTH, readU16, readU32be, readU64be } from '@weft/netlink'
import { dataType } from './data-type.ts'
import { keyTypes } from './key-type.ts'
import { layoutOf, type Layout } from './layout.ts'
import * as nf from './nf-tables.ts'
import { readNumber, readTuple, spanOf } from './read-value.ts'
import type { Verdict } from './statement.ts'
import type { MapDeclaration, MapElement, SetDeclaration, SetElement } from './table.ts'
import { elementTlv, readComment, readTlvs } from './userdata.ts'

const GENERIC_HEADER = 4

interface RawElement {
  readonly key: Uint8Array
  readonly keyEnd: Uint8Array | undefined
  readonly isEnd: boolean
  readonly rest: Partial<MapElement>
}

/**
 * Elements out of the answers to a dump of a set; interrupted after each.
 *
 * @returns Undefined if an element came twice: the kernel made its hash table larger or smaller between two answers, where it goes on by counting, and for
 *   each that came again another is missing. It does so some time after a commit, and tells nobody (seen on 6.18).
 */
export function* readElements(set: SetDeclaration | MapDeclaration, answers: readonly NetlinkMessage[]): Generator<void, readonly (SetElement | MapElement)[] | undefined> {
  const types = keyTypes(set.key)
  const key = layoutOf(types)
  const data = set.kind === 'map' && set.data !== 'verdict' ? layoutOf(set.data) : undefined
  const isPaired = set.flags.includes('interval') && types.length === 1
  const raw: RawElement[] = []
  const out: (SetElement | MapElement)[] = []
  const keys = new Set<string>()
  for (const answer of answers) {
    const list = decodeAttributes(answer.payload, GENERIC_HEADER).bytes(nf.elementListAttr.elements)
    if (list === undefined) continue
    forEachAttribute(list, 0, list.length, (_type, start, end) => {
      const element = readElement(list, start, end, data)
      if (element === undefined) return
      if (isPaired) {
        raw.push(element)
        return
      }
      keys.add(Buffer.from(element.key.buffer, element.key.byteOffset, element.key.length).toString('latin1'))
      out.push({ key: readTuple(key, element.key, element.keyEnd), ...element.rest })
    })
    yield
  }
  if (isPaired) return pairIntervals(set, raw)
  return keys.size < out.length ? undefined : out
}

// A table may hold a hundred thousand of these: attributes are visited once, in place.
function readElement(bytes: Uint8Array, from: number, to: number, data: Layout | undefined): RawElement | undefined {
  let key: Uint8Array | undefined
  let keyEnd: Uint8Array | undefined
  let flags = 0
  const rest: { -readonly [K in keyof MapElement]?: MapElement[K] } = {}
  forEachAttribute(bytes, from, to, (type, start, end) => {
    switch (type) {
      case nf.elementAttr.key: key = inner(bytes, start, end); break
      case nf.elementAttr.keyEnd: keyEnd = inner(bytes, start, end); break
      case nf.elementAttr.flags: flags = readU32be(bytes, wide(start, end, 4)); break
      case nf.elementAttr.timeout: rest.timeoutMs = Number(readU64be(bytes, wide(start, end, 8))); break
      case nf.elementAttr.expiration: rest.expiresMs = Number(readU64be(bytes, wide(start, end, 8))); break
      case nf.elementAttr.data:
        if (data === undefined) {
          const verdict = new Attributes(bytes, start, end).nested(nf.dataAttr.verdict)
          if (verdict !== undefined) rest.data = readVerdict(verdict)
        } else rest.data = readTuple(data, inner(bytes, start, end))
        break
      case nf.elementAttr.userdata: {
        const comment = readComment(readTlvs(bytes.subarray(start, end)), elementTlv.comment)
        if (comment !== undefined) rest.comment = comment
      }
    }
  })
  return key === undefined ? undefined : { key, keyEnd, isEnd: (flags & nf.elementFlag.intervalEnd) !== 0, rest }
}

// Value of the only attribute in a nest: NFTA_DATA_VALUE.
function inner(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return bytes.subarray(start + NLA_HEADER_LENGTH, Math.min(end, start + readU16(bytes, wide(start, end, NLA_HEADER_LENGTH))))
}

/** @throws {NetlinkDecodeError} If there is no room for that many bytes. */
function wide(start: number, end: number, size: number): number {
  if (end - start < size) throw new NetlinkDecodeError(`element: an attribute has ${end - start} bytes, wanted ${size}`)
  return start
}

const verdictNames = ['drop', 'accept', 'continue', 'return', 'jump', 'goto'] as const
const verdicts: ReadonlyMap<number, Verdict['verdict']> = new Map(verdictNames.map((name) => [nf.verdictCode[name], name]))

function readVerdict(attributes: Attributes): Verdict {
  const code = (attributes.u32be(nf.verdictAttr.code) ?? 0) | 0
  const chain = attributes.string(nf.verdictAttr.chain)
  const verdict = verdicts.get(code) ?? 'continue'
  return chain === undefined ? { kind: 'verdict', verdict } : { kind: 'verdict', verdict, chain }
}

// A span is a start, and the first value after it marked as an end; the last span may have no end.
function pairIntervals(set: SetDeclaration | MapDeclaration, raw: readonly RawElement[]): readonly (SetElement | MapElement)[] {
  const [name = 'integer'] = keyTypes(set.key)
  const type = dataType(name)
  const isBig = type.byteOrder === 'big'
  const sorted = raw
    .map((element) => ({ element, at: readNumber(element.key, 0, type.bytes, isBig) }))
    // Where one span ends and the next begins, the end comes first.
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : Number(b.element.isEnd) - Number(a.element.isEnd)))
  const out: (SetElement | MapElement)[] = []
  let open: (typeof sorted)[number] | undefined
  const close = (end: bigint): void => {
    if (open !== undefined) out.push({ key: spanOf(name, open.at, end), ...open.element.rest })
    open = undefined
  }
  for (const entry of sorted) {
    close(entry.at - 1n)
    if (!entry.element.isEnd) open = entry
  }
  close((1n << BigInt(type.bytes * 8)) - 1n)
  return out
}
