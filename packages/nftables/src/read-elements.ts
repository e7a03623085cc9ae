import { Attributes, decodeAttributes, forEachAttribute, type NetlinkMessage } from '@weft/netlink'
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

/** Elements out of the answers to a dump of a set. */
export function readElements(set: SetDeclaration | MapDeclaration, answers: readonly NetlinkMessage[]): readonly (SetElement | MapElement)[] {
  const types = keyTypes(set.key)
  const key = layoutOf(types)
  const data = set.kind === 'map' && set.data !== 'verdict' ? layoutOf(set.data) : undefined
  const raw: RawElement[] = []
  for (const answer of answers) {
    const list = decodeAttributes(answer.payload, GENERIC_HEADER).bytes(nf.elementListAttr.elements)
    if (list === undefined) continue
    forEachAttribute(list, 0, list.length, (_type, start, end) => {
      const element = readElement(new Attributes(list, start, end), data)
      if (element !== undefined) raw.push(element)
    })
  }
  if (set.flags.includes('interval') && types.length === 1) return pairIntervals(set, raw)
  return raw.map(({ key: bytes, keyEnd, rest }) => ({ key: readTuple(key, bytes, keyEnd), ...rest }))
}

function readElement(attributes: Attributes, data: Layout | undefined): RawElement | undefined {
  const flags = attributes.u32be(nf.elementAttr.flags) ?? 0
  const key = attributes.nested(nf.elementAttr.key)?.bytes(nf.dataAttr.value)
  if (key === undefined) return undefined
  const rest: { -readonly [K in keyof MapElement]?: MapElement[K] } = {}
  const value = attributes.nested(nf.elementAttr.data)
  const plain = value?.bytes(nf.dataAttr.value)
  const verdict = value?.nested(nf.dataAttr.verdict)
  if (plain !== undefined && data !== undefined) rest.data = readTuple(data, plain)
  else if (verdict !== undefined) rest.data = readVerdict(verdict)
  const timeout = attributes.u64be(nf.elementAttr.timeout)
  if (timeout !== undefined) rest.timeoutMs = Number(timeout)
  const expires = attributes.u64be(nf.elementAttr.expiration)
  if (expires !== undefined) rest.expiresMs = Number(expires)
  const comment = readComment(readTlvs(attributes.bytes(nf.elementAttr.userdata)), elementTlv.comment)
  if (comment !== undefined) rest.comment = comment
  return { key, keyEnd: attributes.nested(nf.elementAttr.keyEnd)?.bytes(nf.dataAttr.value), isEnd: (flags & nf.elementFlag.intervalEnd) !== 0, rest }
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
