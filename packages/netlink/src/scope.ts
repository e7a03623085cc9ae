import { RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_NOWHERE, RT_SCOPE_UNIVERSE } from './kernel-constants.gen.ts'

/** How far an address or a route reaches. Other values are of use to routing daemons only. */
export type Scope = 'global' | 'link' | 'host' | 'nowhere' | number

const NUMBERS = { global: RT_SCOPE_UNIVERSE, link: RT_SCOPE_LINK, host: RT_SCOPE_HOST, nowhere: RT_SCOPE_NOWHERE } as const

export function scopeNumber(scope: Scope): number {
  return typeof scope === 'number' ? scope : NUMBERS[scope]
}

export function scopeName(value: number): Scope {
  switch (value) {
    case RT_SCOPE_UNIVERSE:
      return 'global'
    case RT_SCOPE_LINK:
      return 'link'
    case RT_SCOPE_HOST:
      return 'host'
    case RT_SCOPE_NOWHERE:
      return 'nowhere'
    default:
      return value
  }
}
