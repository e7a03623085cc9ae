import type { TableState } from '@weft/nftables'
import type { CountedRule } from './policies-in-use.ts'

export interface RuleCount extends CountedRule {
  readonly packets: number
}

/** Series that one agent gives out: policies of users decide how many rules there are. */
const seriesAtMost = 1000

/** How often each rule matched; a rule is several in the kernel, one a family at least. What is too much is left out, the last by name first. */
export function countsOf(rules: ReadonlyMap<string, CountedRule>, kernel: TableState | undefined): readonly RuleCount[] {
  const counts = new Map<CountedRule, number>([...rules.values()].map((rule) => [rule, 0]))
  for (const { comment, counter } of [...kernel?.rules.values() ?? []].flat()) {
    const rule = comment === undefined ? undefined : rules.get(comment)
    if (rule !== undefined && counter !== undefined) counts.set(rule, counts.get(rule)! + Number(counter.packets))
  }
  return [...counts].map(([rule, packets]) => ({ ...rule, packets })).sort((a, b) => (a.policy < b.policy ? -1 : a.policy > b.policy ? 1 : 0)).slice(0, seriesAtMost)
}
