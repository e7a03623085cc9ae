import { asArray, asTextMap, valueAt, wordOf, type Json, type KubeObject } from './json.ts'
import type { Kind } from './kind.ts'
import { badRequest, type ApiError } from './status.ts'

/** Decides whether an object is asked for. */
export type Selector = (object: KubeObject) => boolean

type Requirement = (labels: Readonly<Record<string, string>>) => boolean

const KEY = /^([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/u
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/u

/**
 * Parses a label selector as the query parameter spells it.
 *
 * @param text E.g. `app=web,tier in (a,b),!old`. Empty selects everything.
 * @throws {ApiError} 400 when it is not a selector.
 */
export function parseLabelSelector(text: string): Selector {
  if (text.trim() === '') return () => true
  const requirements = splitRequirements(text).map(part => parseRequirement(part, text))
  return object => {
    const labels = asTextMap(object.metadata.labels)
    return requirements.every(holds => holds(labels))
  }
}

function splitRequirements(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let index = 0; index < text.length; index++) {
    const char = text[index]
    if (char === '(') depth++
    else if (char === ')') depth--
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, index))
      start = index + 1
    }
  }
  parts.push(text.slice(start))
  return parts.map(part => part.trim())
}

function parseRequirement(part: string, whole: string): Requirement {
  const refuse = (): ApiError => badRequest(`unable to parse requirement: ${JSON.stringify(part)} in label selector ${JSON.stringify(whole)}`)
  const checkKey = (key: string): string => {
    if (!KEY.test(key)) throw refuse()
    return key
  }
  const checkValue = (value: string): string => {
    if (!VALUE.test(value) || value.length > 63) throw refuse()
    return value
  }
  const setBased = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/u.exec(part)
  if (setBased !== null) {
    const key = checkKey(setBased[1]!)
    const values = new Set(setBased[3]!.split(',').map(value => checkValue(value.trim())))
    if (setBased[2] === 'in') return labels => labels[key] !== undefined && values.has(labels[key])
    return labels => labels[key] === undefined || !values.has(labels[key])
  }
  const compared = /^([^=!<>\s]+)\s*(==|=|!=|>|<)\s*(\S*)$/u.exec(part)
  if (compared !== null) {
    const key = checkKey(compared[1]!)
    const value = checkValue(compared[3]!)
    if (compared[2] === '!=') return labels => labels[key] !== value
    if (compared[2] === '>') return labels => labels[key] !== undefined && Number(labels[key]) > Number(value)
    if (compared[2] === '<') return labels => labels[key] !== undefined && Number(labels[key]) < Number(value)
    return labels => labels[key] === value
  }
  if (part.startsWith('!')) {
    const key = checkKey(part.slice(1).trim())
    return labels => labels[key] === undefined
  }
  const key = checkKey(part)
  return labels => labels[key] !== undefined
}

/**
 * Parses a field selector. Only metadata.name, metadata.namespace and the kind's own fields may be named.
 *
 * @param text E.g. `spec.nodeName=n1,status.phase!=Failed`.
 * @throws {ApiError} 400 for another field.
 */
export function parseFieldSelector(text: string, kind: Kind): Selector {
  if (text.trim() === '') return () => true
  const terms = text.split(',').map(part => {
    const found = /^([^=!]+)(==|=|!=)(.*)$/u.exec(part.trim())
    if (found === null) throw badRequest(`invalid selector: ${JSON.stringify(text)}; can't understand ${JSON.stringify(part)}`)
    const path = found[1]!.trim()
    const known = path === 'metadata.name' || (path === 'metadata.namespace' && kind.namespaced) || kind.selectableFields?.includes(path) === true
    if (!known) {
      const group = kind.group === '' ? '' : kind.group
      throw badRequest(
        `Unable to find ${JSON.stringify(`${group}/${kind.version}, Resource=${kind.resource}`)} that match label selector "", field selector ${JSON.stringify(text)}: field label not supported: ${path}`,
      )
    }
    return { path, want: found[3]!.trim(), negated: found[2] === '!=' }
  })
  return object => terms.every(({ path, want, negated }) => (wordOf(valueAt(object, path)) === want) !== negated)
}

/** An object's labels tested against a LabelSelector value (`matchLabels`, `matchExpressions`); null or absent selects nothing. */
export function matchesLabelSelector(selector: Json | undefined, labels: Readonly<Record<string, string>>): boolean {
  if (typeof selector !== 'object' || selector === null || Array.isArray(selector)) return false
  for (const [key, value] of Object.entries(asTextMap(selector['matchLabels']))) if (labels[key] !== value) return false
  const expressions = Array.isArray(selector['matchExpressions']) ? selector['matchExpressions'] : []
  return expressions.every(expression => {
    const key = wordOf(valueAt(expression, 'key'))
    const values = asArray(valueAt(expression, 'values'))
    const value = labels[key]
    switch (valueAt(expression, 'operator')) {
      case 'In': return value !== undefined && values.includes(value)
      case 'NotIn': return value === undefined || !values.includes(value)
      case 'Exists': return value !== undefined
      case 'DoesNotExist': return value === undefined
      default: return false
    }
  })
}
