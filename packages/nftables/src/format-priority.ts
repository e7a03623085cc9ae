import { namedPriority } from './declare.ts'
import type { Hook } from './table.ts'

/** A priority as nft prints it: by name when within ten of one that the hook has. */
export function formatPriority(hook: Hook, priority: number): string {
  for (const [name, value] of Object.entries(namedPriority)) {
    if (name === 'dstnat' && hook !== 'prerouting') continue
    if (name === 'srcnat' && hook !== 'postrouting') continue
    if ((hook === 'ingress' || hook === 'egress') && name !== 'filter') continue
    const offset = priority - value
    if (offset === 0) return name
    if (Math.abs(offset) <= 10) return `${name} ${offset > 0 ? '+' : '-'} ${Math.abs(offset)}`
  }
  return priority.toString()
}
