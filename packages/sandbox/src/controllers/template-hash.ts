import type { PodTemplate } from './model.ts'

/** Kubernetes' safe alphabet: no vowels, so no words. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'
const FNV_OFFSET = 0xcbf29ce484222325n
const FNV_PRIME = 0x100000001b3n

/** A short name for a pod template; equal templates have equal ones whatever the order of their members. */
export function templateHash(template: PodTemplate): string {
  let hash = FNV_OFFSET
  for (const octet of Buffer.from(canonical(template))) hash = BigInt.asUintN(64, (hash ^ BigInt(octet)) * FNV_PRIME)
  let text = ''
  for (let rest = hash; text.length < 10; rest /= 27n) text += ALPHABET[Number(rest % 27n)]
  return text
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  return `{${Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, member]) => `${name}:${canonical(member)}`).join(',')}}`
}
