import { shortHash } from './peer-selector.ts'

export type Direction = 'ingress' | 'egress'
export type Family = 4 | 6

const short = { ingress: 'in', egress: 'eg' } as const

/** The chain with the rules of one policy. */
export function policyChainName(direction: Direction, policy: string): string {
  return `policy-${short[direction]}-${shortHash(policy)}`
}

/** The chain of all pods that the same policies select. */
export function podChainName(direction: Direction, policies: readonly string[]): string {
  return `pod-${short[direction]}-${shortHash(policies.join(' '))}`
}

export const selectorSetName = (family: Family, id: string): string => `sel${family}-${id}`
export const portSetName = (family: Family, id: string): string => `port${family}-${id}`
export const networkSetName = (family: Family, id: string): string => `net${family}-${id}`
