import type { DataTypeName } from './data-type.ts'
import { type Expression, typesOf } from './expression.ts'
import { formatExpression } from './format-expression.ts'
import type { KeyType, MapDeclaration, SetDeclaration } from './table.ts'

/** Types of a key's parts. */
export function keyTypes(key: KeyType): readonly DataTypeName[] {
  return isTypeof(key) ? key.typeof.flatMap(typesOf) : key
}

export function isTypeof(key: KeyType): key is { readonly typeof: readonly Expression[] } {
  return 'typeof' in key
}

/** `type a . b : c` or `typeof …` of a declaration. */
export function formatKeyType(collection: SetDeclaration | MapDeclaration): string {
  const { key } = collection
  const data = collection.kind === 'map' ? collection.data : undefined
  if (!isTypeof(key)) return `type ${key.join(' . ')}${data === undefined ? '' : ` : ${data === 'verdict' ? data : data.join(' . ')}`}`
  const parts = key.typeof.map((part) => formatExpression(part)).join(' . ')
  return `typeof ${parts}${data === undefined ? '' : ` : ${data === 'verdict' ? data : data.map((type) => formatExpression(representative(type))).join(' . ')}`}`
}

/** An expression that has `type`, as `typeof` declarations name data. */
export function representative(type: DataTypeName): Expression {
  switch (type) {
    case 'ipv4_addr': return { kind: 'payload', protocol: 'ip', field: 'daddr', base: 'network', offset: 16, bytes: 4, type }
    case 'ipv6_addr': return { kind: 'payload', protocol: 'ip6', field: 'daddr', base: 'network', offset: 24, bytes: 16, type }
    case 'inet_service': return { kind: 'payload', protocol: 'th', field: 'dport', base: 'transport', offset: 2, bytes: 2, type }
    case 'inet_proto': return { kind: 'meta', key: 'l4proto' }
    case 'ifname': return { kind: 'meta', key: 'iifname' }
    case 'classid': return { kind: 'meta', key: 'priority' }
    default: return { kind: 'meta', key: 'mark' }
  }
}
