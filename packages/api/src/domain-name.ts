// Read first: RFC 1035 §2.3, RFC 4343 (case counts for nothing), and `domainNames` of ClusterNetworkPolicy.

declare const brand: unique symbol
declare const exact: unique symbol

/** What rules mean by a domain name, in lower case and without the last dot: a name, or `*.` and what names end in, for one label or more before it. */
export type DomainPattern = string & { readonly [brand]: 'DomainPattern' }

/** One domain name as text, in lower case and without the last dot: the pattern that means just itself. Names as DNS sends them, of any bytes, are @weft/dns's. */
export type Fqdn = DomainPattern & { readonly [exact]: 'Fqdn' }

const label = '[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?'
const domainPattern = new RegExp(String.raw`^(?:\*\.)?(?:${label}\.)+${label}$`)
const longest = 253

/** @throws {SyntaxError} */
export function parseDomainPattern(text: string): DomainPattern {
  const name = text.toLowerCase().replace(/\.$/, '')
  if (name.length > longest || !domainPattern.test(name)) throw new SyntaxError(`Cannot parse domain name "${text.slice(0, longest)}": wanted labels with dots between, or such a name after "*."`)
  return name as DomainPattern
}

/**
 * Parses a name of two labels or more; upper case is lowered and a last dot dropped.
 *
 * @throws {SyntaxError}
 */
export function parseFqdn(text: string): Fqdn {
  const name = parseDomainPattern(text)
  if (name.startsWith('*')) throw new SyntaxError(`Cannot parse domain name "${name}": it stands for many, wanted one`)
  return name as Fqdn
}
