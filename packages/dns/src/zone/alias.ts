import { type Name, nameKey } from '../wire/name.ts'
import { createFoldedName, foldName } from '../wire/query-view.ts'
import type { ResourceRecord } from '../wire/record.ts'
import { type Alias, type Answer, encodeAnswer, inRecord } from './answer.ts'
import { lowerName } from './label.ts'
import type { LiveZone } from './live-zone.ts'
import { addressRecord, lookup } from './lookup.ts'
import { soaOf } from './soa.ts'
import { readAnswer } from './read-answer.ts'

/** CNAMEs that may follow each other (DNS-53). */
const maxAliases = 10

/** A chain of aliases that leads out of the zone: the rest is for an upstream to say. */
export interface OpenChain {
  readonly kind: 'open'
  /** The name that was asked for. */
  readonly owner: Name
  /** CNAME records so far. */
  readonly records: readonly ResourceRecord[]
  readonly target: Name
}

const folded = createFoldedName()

/**
 * Follows an alias through the zone, for an address type.
 *
 * @returns The whole answer when the chain ends here (or is too long, or goes round), else what is still to be asked.
 */
export function followAlias(zone: LiveZone, alias: Alias, type: number): Answer | OpenChain {
  const { ttlSeconds } = zone.options
  const records: ResourceRecord[] = []
  const seen = new Set<string>()
  let at = alias
  for (;;) {
    records.push(inRecord(at.owner, ttlSeconds, { type: 'CNAME', target: at.target }))
    seen.add(nameKey(at.owner))
    if (records.length >= maxAliases || seen.has(nameKey(at.target))) return encodeAnswer(alias.owner, { answers: records })
    const found = lookup(zone, foldName(at.target, folded), type)
    if (found === undefined) return { kind: 'open', owner: alias.owner, records, target: at.target }
    if (found.kind === 'alias') {
      at = found
      continue
    }
    const { answers, rcode } = found
    if (answers === 0) {
      const authorities = found.authorities === 0 ? [] : [inRecord(zone.options.origin, ttlSeconds, soaOf(zone.options, zone.serial))]
      return encodeAnswer(alias.owner, { rcode, answers: records, authorities })
    }
    const target = lowerName(at.target)
    const rest = readAnswer(found, target, type).answers.flatMap(({ data }) => (data.type === 'A' || data.type === 'AAAA' ? [addressRecord(target, ttlSeconds, data.address)] : []))
    return encodeAnswer(alias.owner, { answers: [...records, ...rest] })
  }
}

