import { isIPv4, isIPv6 } from 'node:net'

/** Address text to its bits; undefined when it is none of that family. */
export function addressBits(text: string, family: 4 | 6): bigint | undefined {
  if (family === 4) return isIPv4(text) ? BigInt(text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)) : undefined
  if (!isIPv6(text) || text.includes('%')) return undefined
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const tail = dotted ? addressBits(dotted[2]!, 4)! : 0n
  const plain = dotted ? `${dotted[1]}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}` : text
  const [head, rest] = plain.split('::') as [string, string | undefined]
  const left = head === '' ? [] : head.split(':')
  const right = rest === undefined || rest === '' ? [] : rest.split(':')
  const middle = rest === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...middle, ...right].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n)
}

/** Bits to text, as inet_ntop prints it (RFC 5952). */
export function addressText(bits: bigint, family: 4 | 6): string {
  if (family === 4) {
    const n = Number(bits)
    return `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`
  }
  const groups = Array.from({ length: 8 }, (_, index) => Number((bits >> BigInt(112 - 16 * index)) & 0xffffn))
  let best = { at: -1, length: 1 }
  for (let at = 0; at < 8; at++) {
    let length = 0
    while (at + length < 8 && groups[at + length] === 0) length++
    if (length > best.length) best = { at, length }
  }
  // inet_ntop prints IPv4-mapped and IPv4-compatible addresses with a dotted tail.
  if (best.at === 0 && (best.length === 6 || (best.length === 5 && groups[5] === 0xffff))) {
    return `${best.length === 6 ? '::' : '::ffff:'}${addressText(bits & 0xffffffffn, 4)}`
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  return best.at < 0 ? hex(groups) : `${hex(groups.slice(0, best.at))}::${hex(groups.slice(best.at + best.length))}`
}
