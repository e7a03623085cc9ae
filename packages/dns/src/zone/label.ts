import { foldTable, maxLabelBytes, type Name } from '../wire/name.ts'

const encoder = new TextEncoder()
const plain = /^[\w-]+$/

/** True for what may stand between two dots of a cluster name: letters, digits, `-` and `_`, at most 63 of them. */
export function isLabel(text: string): boolean {
  return text.length <= maxLabelBytes && plain.test(text)
}

export function labelBytes(text: string): Uint8Array {
  return encoder.encode(text.toLowerCase())
}

/**
 * Labels in wire form as a map key, without the root: `('svc1', 'ns')` gives `\x04svc1\x02ns`.
 * The same as a slice of `nameKey` of a name that has them.
 */
export function labelsKey(...labels: readonly string[]): string {
  let key = ''
  for (const label of labels) key += String.fromCharCode(label.length) + label.toLowerCase()
  return key
}

/** A name in lower case: keys and stored names are; the client's spelling comes back through compression. */
export function lowerName(name: Name): Name {
  return name.map((byte) => foldTable[byte]!) as Name
}
