import { asText, asTextMap, objectsIn, asArray, asObject, wordOf, type Json } from './json.ts'

/** A LabelSelector (or a plain map of labels) as kubectl prints it, e.g. `app=web,tier in (a,b)`. */
export function selectorText(selector: Json | undefined): string {
  const value = asObject(selector) ?? {}
  const isPlain = value['matchLabels'] === undefined && value['matchExpressions'] === undefined
  const labels = isPlain ? asTextMap(value) : asTextMap(value['matchLabels'])
  const parts = Object.entries(labels).map(([key, want]) => `${key}=${want}`)
  for (const expression of isPlain ? [] : objectsIn(value['matchExpressions'])) {
    const key = asText(expression['key']) ?? ''
    const values = asArray(expression['values']).map(wordOf).join(',')
    switch (expression['operator']) {
      case 'In': parts.push(`${key} in (${values})`); break
      case 'NotIn': parts.push(`${key} notin (${values})`); break
      case 'Exists': parts.push(key); break
      default: parts.push(`!${key}`)
    }
  }
  return parts.sort().join(',')
}
