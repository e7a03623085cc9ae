import { asArray, asObject, asText, asTextMap, type JsonObject } from '../json.ts'
import type { Cause } from '../status.ts'
import { addressOf } from '../validation/address.ts'
import { invalidValue } from '../validation/field.ts'

/** A family as Services spell it. */
export type FamilyName = 'IPv4' | 'IPv6'

/**
 * Decides the families of a Service and writes `ipFamilies` and `ipFamilyPolicy` (KEP-563).
 *
 * @param spec Changed in place.
 * @param configured Families of the cluster, primary first.
 */
export function chooseFamilies(spec: JsonObject, configured: readonly FamilyName[]): Cause[] {
  const families = asArray(spec['ipFamilies']).filter((family): family is FamilyName => family === 'IPv4' || family === 'IPv6')
  for (const value of asArray(spec['clusterIPs'])) {
    const address = addressOf(value)
    const family = address === undefined ? undefined : familyName(address.family)
    const index = asArray(spec['clusterIPs']).indexOf(value)
    if (family === undefined) continue
    if (families[index] === undefined) families[index] = family
    else if (families[index] !== family) return [invalidValue(`spec.clusterIPs[${index}]`, value, `expected an ${families[index]} value as indicated by \`ipFamilies[${index}]\``)]
  }
  for (const [index, family] of families.entries()) if (!configured.includes(family)) return [invalidValue(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster')]
  const isSelectorless = Object.keys(asTextMap(spec['selector'])).length === 0
  const isHeadless = spec['clusterIP'] === 'None'
  let policy = asText(spec['ipFamilyPolicy'])
  if (policy === undefined) {
    if (isHeadless && isSelectorless && families.length === 0 && configured.length > 1) policy = 'RequireDualStack'
    else policy = families.length > 1 ? 'RequireDualStack' : 'SingleStack'
  }
  if (policy === 'SingleStack' && families.length > 1) return [invalidValue('spec.ipFamilyPolicy', policy, "must be RequireDualStack or PreferDualStack when multiple 'ipFamilies' are specified")]
  if (policy === 'RequireDualStack' && configured.length < 2) return [invalidValue('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services')]
  if (families.length === 0) families.push(configured[0]!)
  const other = configured.find(family => !families.includes(family))
  if (policy !== 'SingleStack' && families.length === 1 && other !== undefined) families.push(other)
  spec['ipFamilyPolicy'] = policy
  spec['ipFamilies'] = [...families]
  return []
}

export function familyName(family: 4 | 6): FamilyName {
  return family === 4 ? 'IPv4' : 'IPv6'
}

/** Brings an update that changes only the policy to what it means for the second family and address. */
export function followPolicyChange(spec: JsonObject, old: JsonObject): void {
  const lists = ['ipFamilies', 'clusterIPs'] as const
  if (spec['ipFamilyPolicy'] !== 'SingleStack' || old['ipFamilyPolicy'] === 'SingleStack') return
  for (const list of lists) {
    const unchanged = JSON.stringify(spec[list]) === JSON.stringify(old[list])
    if (unchanged) spec[list] = asArray(spec[list]).slice(0, 1)
  }
}

/** The spec of a Service. */
export function specOf(service: JsonObject | undefined): JsonObject {
  return asObject(service?.['spec']) ?? {}
}
