import type { Table } from '../table.ts'
import { MemoryTable } from './memory-table.ts'
import type { TracePacket } from './trace-packet.ts'
import { type Trace, type TraceOptions, tracePacket } from './tracer.ts'

/**
 * Tells what becomes of a packet in tables, rule by rule, without a kernel: of those that are about to be loaded, or that were read back
 * (see `recogniseRules`).
 *
 * @example
 * const { verdict, dnat, steps } = traceTables([table], { saddr: '10.244.0.9', daddr: '10.96.0.1', dport: 80, iif: 'eth0' })
 */
export function traceTables(tables: readonly Table[], packet: TracePacket, options: TraceOptions = {}): Trace {
  return tracePacket(tables.map((table) => MemoryTable.of(table)), packet, options)
}
