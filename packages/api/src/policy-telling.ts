import type { Field } from './field.ts'
import type { Problems } from './problems.ts'

/** What the annotations of a policy want beside its rules. */
export interface PolicyTelling {
  /** `weft.dev/log`: which connections are logged. */
  readonly log: 'none' | 'allowed' | 'denied' | 'all'
  /** `weft.dev/audit: "true"`: what the policy would deny is logged and counted, and passes. */
  readonly audit: boolean
  /** `weft.dev/counters: "true"`: each rule is counted by itself, where others that say the same are counted together. */
  readonly counters: boolean
}

export const silentTelling: PolicyTelling = { log: 'none', audit: false, counters: false }

/** Reads the annotations. What is no word of ours is a problem, and the policy is enforced and silent. */
export function readPolicyTelling(metadata: Field, problems: Problems): PolicyTelling {
  const read = <T extends string>(name: string, words: readonly T[], fallback: T): T => problems.attempt(() => {
    const field = metadata.get('annotations').get(name)
    return field.present ? field.oneOf(words) : fallback
  }) ?? fallback
  const isOn = (name: string): boolean => read(name, ['true', 'false'], 'false') === 'true'
  return { log: read('weft.dev/log', ['none', 'allowed', 'denied', 'all'], 'none'), audit: isOn('weft.dev/audit'), counters: isOn('weft.dev/counters') }
}
