import { hash } from 'node:crypto'

/** Identity of a rule: the first 12 bytes, as hex, of the SHA-256 of its text. */
export function fingerprint(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 24)
}
