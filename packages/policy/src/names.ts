import type { DomainPattern } from '@weft/api'
import { hash } from 'node:crypto'

export type Direction = 'ingress' | 'egress'
export type Family = 4 | 6

export const directions: readonly Direction[] = ['ingress', 'egress']
export const families: readonly Family[] = [4, 6]

const short = { ingress: 'in', egress: 'eg' } as const

/** The chain with the rules of one policy. */
export function policyChainName(direction: Direction, policy: string): string {
  return `policy-${short[direction]}-${textHash(policy)}`
}

/** The chain of Admin policies, in their order, that the same pods have. */
export function adminChainName(direction: Direction, policies: readonly string[]): string {
  return `admin-${short[direction]}-${textHash(policies.join(' '))}`
}

/** The chain that asks policies in audit mode what they would say, for the same pods. */
export function auditChainName(direction: Direction, policies: readonly string[]): string {
  return `audit-${short[direction]}-${textHash(policies.join(' '))}`
}

/** A chain that logs; its name is the prefix of what it logs. */
export function tellChainName(direction: Direction, text: string): string {
  return `tell-${short[direction]}-${textHash(text)}`
}

/** The chain of all pods that the same policies select. */
export function podChainName(direction: Direction, tiers: readonly (readonly string[])[]): string {
  return `pod-${short[direction]}-${textHash(tiers.map((policies) => policies.join(' ')).join(' | '))}`
}

export const selectorSetName = (family: Family, id: string): string => `sel${family}-${id}`
export const portSetName = (family: Family, id: string): string => `port${family}-${id}`
export const networkSetName = (family: Family, id: string): string => `net${family}-${id}`
export const networkPortsSetName = (family: Family, id: string): string => `net-ports${family}-${id}`
export const nodeSetName = (family: Family, id: string): string => `node${family}-${id}`
export const domainSetName = (family: Family, domain: DomainPattern): string => `name${family}-${textHash(domain)}`
/** Names in a text of nft that tell whose they are: chains of policies, and sets that are named by what some rules say. */
export function ownNamesIn(text: string): readonly string[] {
  return text.match(/\b(?:policy-(?:in|eg)|net-ports[46]|net[46]|ports)-[0-9a-f]{24}\b/g) ?? []
}

export const isDomainSet = (name: string): boolean => /^name[46]-/.test(name)
export const dnsSetName = (family: Family, protocol: string, port: number): string => `dns${family}-${protocol.toLowerCase()}-${port}`

/**
 * 24 hex digits of SHA-256: names of sets and chains are made of it, never of what users write. 96 bits, for who finds a
 * selector with the name of somebody else's set has their pods.
 */
export function textHash(text: string): string {
  return hash('sha256', text).slice(0, 24)
}

/** Text of users as a comment for who reads the table: ASCII that nft can quote, at most 128 bytes (nft's limit). */
export function commentOf(text: string): string {
  const safe = text.slice(0, 128).replaceAll(/[^\w ./:=!(),<>[\]*-]/g, '?')
  return text.length > 128 ? `${safe.slice(0, 125)}...` : safe
}
