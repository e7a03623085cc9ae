import { wordOf, type Json } from '../json.ts'
import type { Cause } from '../status.ts'
import { invalidValue, notSupported } from './field.ts'
import { portNameFault } from './name.ts'

const PROTOCOLS: readonly string[] = ['SCTP', 'TCP', 'UDP']

/** Faults of a port number, 1 to 65535. */
export function portNumberFaults(value: Json | undefined, field: string): Cause[] {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535) return []
  return [invalidValue(field, value ?? 0, 'must be between 1 and 65535, inclusive')]
}

/** Faults of a port that is a number or the name of a container port. */
export function portReferenceFaults(value: Json | undefined, field: string): Cause[] {
  if (typeof value === 'number') return portNumberFaults(value, field)
  const fault = portNameFault(wordOf(value))
  return fault === undefined ? [] : [invalidValue(field, value, fault)]
}

/** Faults of a transport protocol. */
export function protocolFaults(value: Json | undefined, field: string): Cause[] {
  return typeof value === 'string' && PROTOCOLS.includes(value) ? [] : [notSupported(field, value, PROTOCOLS)]
}
