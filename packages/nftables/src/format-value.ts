import { addressText } from './address-text.ts'
import { type Atom, atomOf, prefixOf } from './atom.ts'
import { type DataType, type DataTypeName, dataType } from './data-type.ts'
import type { Verdict } from './statement.ts'
import { type Tuple, type Value, partsOf } from './value.ts'

/** A value as nft prints it: `10.0.0.0/8`, `0x00000003`, `tcp`, `"eth0"`. */
export function formatValue(name: DataTypeName, value: Value): string {
  const type = dataType(name)
  return formatAtom(type, atomOf(type, value))
}

/** A tuple as nft prints it: `10.0.0.1 . tcp . 80`. */
export function formatTuple(types: readonly DataTypeName[], tuple: Tuple): string {
  return partsOf(tuple).map((part, index) => formatValue(types[index] ?? 'integer', part)).join(' . ')
}

/** `accept`, `jump lb1`. */
export function formatVerdict(verdict: Verdict): string {
  return verdict.chain === undefined ? verdict.verdict : `${verdict.verdict} ${verdict.chain}`
}

function formatAtom(type: DataType, atom: Atom): string {
  if (atom.kind === 'text') return `"${atom.text}${atom.wildcard ? '*' : ''}"`
  if (atom.from === atom.to) return formatNumber(type, atom.from)
  const isAddress = type.notation === 'ipv4' || type.notation === 'ipv6'
  const prefix = isAddress ? prefixOf(atom, type.bytes) : undefined
  return prefix === undefined ? `${formatNumber(type, atom.from)}-${formatNumber(type, atom.to)}` : `${formatNumber(type, atom.from)}/${prefix}`
}

function formatNumber(type: DataType, number: bigint): string {
  switch (type.notation) {
    case 'ipv4': return addressText(number, 4)
    case 'ipv6': return addressText(number, 6)
    case 'decimal': case 'string': return number.toString()
    // The kernel's index is all there is; nft shows the name that index has at that moment.
    case 'ifindex': return number.toString()
    case 'hex': return `0x${number.toString(16).padStart(type.bytes * 2, '0')}`
    case 'ether': return number.toString(16).padStart(12, '0').replaceAll(/(..)(?=.)/g, '$1:')
    case 'classid': return number === 0n ? 'none' : number === 0xffffffffn ? 'root' : `${(number >> 16n).toString(16)}:${(number & 0xffffn).toString(16)}`
    case 'symbol': return type.names.get(Number(number)) ?? number.toString()
    case 'bitmask': return formatBits(type, number)
  }
}

function formatBits(type: DataType, number: bigint): string {
  const words: string[] = []
  let rest = number
  for (const [bit, word] of type.names) {
    if ((rest & BigInt(bit)) === 0n) continue
    words.push(word)
    rest &= ~BigInt(bit)
  }
  if (rest !== 0n || words.length === 0) words.push(`0x${rest.toString(16)}`)
  return words.join(',')
}
