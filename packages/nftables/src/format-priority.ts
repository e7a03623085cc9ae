import { namedPriority } from './declare.ts'
import type { BaseChain, Hook, TableFamily } from './table.ts'

interface Named {
  readonly name: string
  readonly value: number
  /** The only hook that has it. */
  readonly hook?: Hook
}

/** nftables src/rule.c, std_prios and bridge_std_prios. */
const bridgeNames: readonly Named[] = [{ name: 'dstnat', value: -300, hook: 'prerouting' }, { name: 'filter', value: -200 }, { name: 'out', value: 100, hook: 'output' }, { name: 'srcnat', value: 300, hook: 'postrouting' }]
const onlyHooks: Readonly<Record<string, Hook>> = { dstnat: 'prerouting', srcnat: 'postrouting' }
const names: readonly Named[] = Object.entries(namedPriority).map(([name, value]) => ({ name, value, ...onlyHooks[name] === undefined ? {} : { hook: onlyHooks[name] } }))

/** A priority as nft prints it: by name when within ten of one that the hook has. */
export function formatPriority(family: TableFamily, { hook, priority }: Pick<BaseChain, 'hook' | 'priority'>): string {
  for (const { name, value, hook: only = hook } of family === 'bridge' ? bridgeNames : names) {
    if (only !== hook) continue
    if ((hook === 'ingress' || hook === 'egress') && name !== 'filter') continue
    const offset = priority - value
    if (offset === 0) return name
    if (Math.abs(offset) <= 10) return `${name} ${offset > 0 ? '+' : '-'} ${Math.abs(offset)}`
  }
  return priority.toString()
}
