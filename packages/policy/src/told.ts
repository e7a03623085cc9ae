import type { Direction } from './names.ts'

/** What is told of a connection: what became of it, or with `audit` that it passed and would have been denied. */
export interface Told {
  readonly verdict: 'allowed' | 'denied' | 'audit'
  readonly direction: Direction
  /** Keys of the policies; several when they isolate a pod together. */
  readonly policies: readonly string[]
  /** The rule that decided, `ingress[2]`; undefined when none matched. */
  readonly rule: string | undefined
}

/** e.g. `denied ingress shop/deny`, `allowed egress ClusterNetworkPolicy/dns egress[0]`. */
export function textOf({ verdict, direction, policies, rule }: Told): string {
  return [verdict, direction, ...policies, ...(rule === undefined ? [] : [rule])].join(' ')
}
