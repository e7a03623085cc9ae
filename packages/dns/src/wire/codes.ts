// Read first: RFC 1035 §3.2 and §4.1, RFC 6895 (IANA DNS parameters).

/** Resource record and query types this server has a word for. */
export const rrTypes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const

export type RrTypeName = keyof typeof rrTypes

const typeNames: ReadonlyMap<number, string> = new Map(Object.entries(rrTypes).map(([name, code]) => [code, name]))

/** `A`, `SRV`, …; `TYPE1234` for the rest (RFC 3597 §5). */
export function formatRrType(code: number): string {
  return typeNames.get(code) ?? `TYPE${code}`
}

export const classes = { IN: 1, CH: 3, ANY: 255 } as const

export const opcodes = { query: 0, notify: 4, update: 5 } as const

/** Response codes; those above 15 need EDNS. */
export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const

const rcodeNames: ReadonlyMap<number, string> = new Map(Object.entries(rcodes).map(([name, code]) => [code, name]))

export function formatRcode(code: number): string {
  return rcodeNames.get(code) ?? `RCODE${code}`
}

/** Bits of the second 16-bit word of the header. */
export const flags = {
  response: 0x8000,
  opcodeShift: 11,
  opcodeMask: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authenticData: 0x0020,
  checkingDisabled: 0x0010,
  rcodeMask: 0x000f,
} as const

export const headerBytes = 12
/** Type, class, TTL and length of a record, after its name. */
export const recordFixedBytes = 10
