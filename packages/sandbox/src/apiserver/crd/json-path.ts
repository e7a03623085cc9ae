import { asArray, asJson, asObject, equalJson, type Json } from '../json.ts'

/**
 * The values at a JSONPath of the kind printer columns use: `.spec.cidr`, `.status.conditions[?(@.type=="Ready")].status`,
 * `.spec.items[*].name`, `.metadata.labels.a\.b`.
 */
export function valuesAt(value: Json, path: string): Json[] {
  let values: Json[] = [value]
  for (const step of steps(path)) values = values.flatMap(item => follow(item, step))
  return values
}

type Step = { readonly kind: 'member', readonly name: string } | { readonly kind: 'all' } | { readonly kind: 'index', readonly index: number } | { readonly kind: 'filter', readonly path: string, readonly want: Json }

function* steps(path: string): Generator<Step> {
  const pattern = /\.((?:\\.|[^.[\]])+)|\[\*\]|\[(-?\d+)\]|\[\?\(@((?:\.[^=\s]+)+)\s*==\s*(?:"([^"]*)"|'([^']*)'|([^)\s]+))\)\]|\['([^']*)'\]/guy
  for (const [text, member, index, filter, double, single, bare, quoted] of path.matchAll(pattern)) {
    if (member !== undefined) yield { kind: 'member', name: member.replaceAll('\\', '') }
    else if (quoted !== undefined) yield { kind: 'member', name: quoted.replaceAll('\\', '') }
    else if (index !== undefined) yield { kind: 'index', index: Number(index) }
    else if (filter !== undefined) yield { kind: 'filter', path: filter, want: double ?? single ?? bareValue(bare!) }
    else if (text === '[*]') yield { kind: 'all' }
  }
}

function bareValue(text: string): Json {
  try {
    return asJson(JSON.parse(text))
  } catch {
    return text
  }
}

function follow(value: Json, step: Step): Json[] {
  switch (step.kind) {
    case 'member': {
      const member = asObject(value)?.[step.name]
      return member === undefined ? [] : [member]
    }
    case 'all': return Array.isArray(value) ? value : Object.values(asObject(value) ?? {}).filter(member => member !== undefined)
    case 'index': {
      const item = asArray(value).at(step.index)
      return item === undefined ? [] : [item]
    }
    case 'filter': return asArray(value).filter(item => valuesAt(item, step.path).some(found => equalJson(found, step.want)))
    default: return step satisfies never
  }
}
