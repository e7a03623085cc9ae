import type { Endpoint } from '@weft/api'
import { type Cidr, cidrContains, parseCidr, parseIp, hostCidr } from '@weft/ip'
import type { Backend } from './model.ts'

/** How many connections endpoints get, in relation to each other. */
export interface Weights {
  /** The first that fits an endpoint says its weight; one that none fits has 1. */
  readonly rules: readonly WeightRule[]
}

interface WeightRule {
  readonly fits: (backend: Backend, endpoint: Endpoint) => boolean
  readonly weight: number
}

const maxWeight = 1000
const maxRules = 100

/**
 * Parses the annotation `weft.dev/weights`: `web-canary-*=1 web-*=9`. What stands before `=` is the name of a pod, in which `*` stands for anything, or an
 * address or network; a weight is a whole number up to 1000, and 0 means no new connections.
 *
 * @throws {SyntaxError} Saying which part is wrong.
 */
export function parseWeights(text: string): Weights {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '')
  if (parts.length === 0 || parts.length > maxRules) throw new SyntaxError(`Cannot parse weights: there are ${parts.length}, wanted 1 to ${maxRules} such as "web-canary-*=1"`)
  return { rules: parts.map(parseRule) }
}

function parseRule(part: string): WeightRule {
  const match = /^(?<what>[a-z0-9.:/*-]{1,253})=(?<weight>\d{1,4})$/.exec(part)
  const weight = Number(match?.groups?.['weight'])
  if (match === null || weight > maxWeight) throw new SyntaxError(`Cannot parse weight "${part.slice(0, 60)}": wanted a pod's name, address or network, "=" and a number from 0 to ${maxWeight}`)
  const what = match.groups!['what']!
  const range = rangeOf(what)
  if (range !== undefined) return { weight, fits: ({ ip }) => ip.family === range.family && cidrContains(range, ip) }
  // Compared piece by piece: a pattern of many `*` must not take a regular expression's time.
  const pieces = what.split('*')
  return { weight, fits: (_backend, { pod }) => hasPieces(pod.slice(pod.indexOf('/') + 1), pieces) }
}

/** What no name of a pod looks like must be an address or a network: read as a name it would fit nobody, and nobody would be told. */
const addressLike = /[:/]|^\d+(?:\.\d+){3}$/

/** @throws {SyntaxError} Saying what is wrong with an address or network. */
function rangeOf(text: string): Cidr | undefined {
  if (!addressLike.test(text)) return undefined
  return text.includes('/') ? parseCidr(text) : hostCidr(parseIp(text))
}

function hasPieces(name: string, pieces: readonly string[]): boolean {
  const [first = '', ...rest] = pieces
  const last = rest.pop()
  if (last === undefined) return name === first
  if (!name.startsWith(first)) return false
  let at = first.length
  for (const piece of rest) {
    const found = name.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}

/**
 * A list in which every backend stands as often as its weight says, for a uniform choice out of it.
 *
 * @param limit How long the list may be; what is beyond is rounded, and every weight above 0 counts once at least.
 */
export function spread(candidates: readonly { readonly backend: Backend, readonly endpoint: Endpoint }[], { rules }: Weights, limit: number): readonly Backend[] {
  const weighted = candidates
    .map(({ backend, endpoint }) => ({ backend, weight: rules.find(({ fits }) => fits(backend, endpoint))?.weight ?? 1 }))
    .filter(({ weight }) => weight > 0)
  const divisor = weighted.reduce((sum, { weight }) => greatestCommonDivisor(sum, weight), 0)
  const total = weighted.reduce((sum, { weight }) => sum + weight / divisor, 0)
  const scale = total > limit ? Math.max(0, (limit - weighted.length) / total) : 1
  return weighted.flatMap(({ backend, weight }) => Array.from({ length: Math.max(1, Math.floor((weight / divisor) * scale)) }, () => backend))
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
