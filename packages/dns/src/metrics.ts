import { Counter, Gauge, Histogram, type Registry } from '@weft/daemon'
import { type CountedEvent, countedRcodes, type Counters, countedTypes, latencyBoundsMs, zoneKinds } from './server/counters.ts'

export interface DnsGauges {
  readonly services: () => number
  readonly refusedServices: () => number
  readonly tcpConnections: () => number
  readonly cacheEntries: () => number
  readonly serial: () => number
}

export interface DnsMetrics {
  /** How long a change of the cluster lay here before it was answered with, milliseconds. */
  readonly changed: (lagMs: number) => void
}

const refusals: Readonly<Partial<Record<CountedEvent, string>>> = { clientRefused: 'client', clientLimited: 'rate', dropped: 'malformed', overload: 'overload' }
const forwardErrors: Readonly<Partial<Record<CountedEvent, string>>> = { noUpstream: 'no_upstream', upstreamTimeout: 'timeout', upstreamFailed: 'upstream', upstreamForged: 'forged', loop: 'loop' }
const cacheResults: Readonly<Partial<Record<CountedEvent, string>>> = { cacheHit: 'hit', cacheStale: 'stale', cacheMiss: 'miss', prefetch: 'prefetch' }
const tcpEvents: Readonly<Partial<Record<CountedEvent, string>>> = { tcpOpened: 'opened', tcpEvicted: 'evicted', tcpTimeout: 'timeout' }

/**
 * Registers the metrics of the DNS server. The hot path counts in shared memory; here it is read when Prometheus asks.
 *
 * @param counters One per thread; they are summed.
 */
export function createMetrics(registry: Registry, counters: readonly Counters[], gauges: DnsGauges): DnsMetrics {
  const registers = [registry]
  const sum = (read: (one: Counters) => number): number => counters.reduce((total, one) => total + read(one), 0)

  const table = (name: string, help: string, columns: readonly string[], read: (one: Counters, zone: number, column: number) => number, label: string): void => {
    const counter = new Counter({ name, help, labelNames: ['zone', label], registers, collect: () => {
      counter.reset()
      for (const [zone, zoneName] of zoneKinds.entries()) {
        for (const [column, columnName] of columns.entries()) {
          const value = sum((one) => read(one, zone, column))
          if (value > 0) counter.inc({ zone: zoneName, [label]: columnName }, value)
        }
      }
    } })
  }
  table('weft_dns_queries_total', 'Questions answered, by zone and type.', countedTypes, (one, zone, type) => one.queries(zone, type), 'type')
  table('weft_dns_responses_total', 'Responses, by zone and code.', countedRcodes, (one, zone, rcode) => one.responses(zone, rcode), 'rcode')

  const events = (name: string, help: string, label: string, values: Readonly<Partial<Record<CountedEvent, string>>>): void => {
    const counter = new Counter({ name, help, labelNames: [label], registers, collect: () => {
      counter.reset()
      for (const [event, value] of Object.entries(values)) counter.inc({ [label]: value }, sum((one) => one.events(event as CountedEvent)))
    } })
  }
  events('weft_dns_refused_total', 'Questions refused or dropped before they were looked at, by reason.', 'reason', refusals)
  events('weft_dns_forward_errors_total', 'Failures of upstreams, by reason; no_upstream means none is configured.', 'reason', forwardErrors)
  events('weft_dns_cache_total', 'Questions outside the cluster, by what the cache did for them.', 'result', cacheResults)
  events('weft_dns_tcp_connections_total', 'TCP connections, by what became of them.', 'event', tcpEvents)

  const single = (name: string, help: string, event: CountedEvent): void => {
    const counter = new Counter({ name, help, registers, collect: () => {
      counter.reset()
      counter.inc(sum((one) => one.events(event)))
    } })
  }
  single('weft_dns_truncated_total', 'Responses that did not fit and told the client to ask over TCP.', 'truncated')
  single('weft_dns_panics_total', 'Questions that met a bug of ours and got SERVFAIL.', 'panic')

  latencyHistogram(registry, counters)
  const gauge = (name: string, help: string, read: () => number): void => {
    const made: Gauge = new Gauge({ name, help, registers, collect: () => {
      made.set(read())
    } })
  }
  gauge('weft_dns_services', 'Services in the zone.', gauges.services)
  gauge('weft_dns_refused_services', 'Services that have no place in the zone; the log names them.', gauges.refusedServices)
  gauge('weft_dns_tcp_connections', 'TCP connections open now.', gauges.tcpConnections)
  gauge('weft_dns_cache_entries', 'Answers in the cache of this process\'s first thread.', gauges.cacheEntries)
  gauge('weft_dns_zone_serial', 'Serial of the zone: unix time of its last change.', gauges.serial)
  const programming = new Histogram({ name: 'weft_dns_programming_duration_seconds', help: 'From a change of the cluster reaching this process to answers that have it.', buckets: [0.0001, 0.001, 0.01, 0.1, 1, 10], registers })
  return { changed: (lagMs) => programming.observe(lagMs / 1000) }
}

const latencyName = 'weft_dns_query_duration_seconds'
const latencyHelp = 'From a question\'s arrival to its answer, upstreams included.'

/** prom-client cannot set a histogram, only observe; so this one is a metric of our own that reads the kept buckets. */
function latencyHistogram(registry: Registry, counters: readonly Counters[]): void {
  const bounds: readonly (number | '+Inf')[] = [...latencyBoundsMs.map((ms) => ms / 1000), '+Inf']
  const read = (): object => {
    const kept = counters.map((one) => one.latencies())
    let count = 0
    const buckets = bounds.map((le, bucket) => {
      count += kept.reduce((total, latencies) => total + latencies[bucket]!, 0)
      return { metricName: `${latencyName}_bucket`, labels: { le }, value: count }
    })
    const seconds = counters.reduce((total, one) => total + one.latencySumMs(), 0) / 1000
    const values = [...buckets, { metricName: `${latencyName}_sum`, labels: {}, value: seconds }, { metricName: `${latencyName}_count`, labels: {}, value: count }]
    return { name: latencyName, help: latencyHelp, type: 'histogram', aggregator: 'sum', values }
  }
  const metric = { name: latencyName, help: latencyHelp, get: async () => await Promise.resolve(read()), reset: () => undefined }
  registry.registerMetric(metric as unknown as Histogram)
}
