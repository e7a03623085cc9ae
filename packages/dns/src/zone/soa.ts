// Read first: RFC 2308 (what a negative answer's SOA means).
import { nameServerName, type ZoneOptions } from '../compile.ts'
import { nameBelow } from '../wire/name.ts'
import type { SoaData } from '../wire/record.ts'
import { labelBytes } from './label.ts'

/** The SOA record's data: figures as CoreDNS gives them (DNS-31), negative answers live as long as positive ones. */
export function soaOf(options: ZoneOptions, serial: number): SoaData {
  return {
    type: 'SOA',
    mname: nameServerName(options.origin),
    rname: nameBelow([labelBytes('hostmaster')], options.origin),
    serial: serial >>> 0,
    refreshSeconds: 7200,
    retrySeconds: 1800,
    expireSeconds: 86_400,
    minimumSeconds: options.ttlSeconds,
  }
}
