import { collectDefaultMetrics, Registry } from 'prom-client'

export { Counter, Gauge, Histogram, Registry } from 'prom-client'

/**
 * A registry of one program; the library's global one is never used.
 *
 * @param options.process Whether memory, CPU, garbage collection and event loop of the process are in it; for `main.ts`. @default false
 */
export function createRegistry(options: { readonly process?: boolean | undefined } = {}): Registry {
  const registry = new Registry()
  if (options.process === true) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision })
  return registry
}

/** How often the event loop is looked at, in milliseconds. The library's 10 wake an idle program a hundred times a second, and even 500 are a tenth of what it does then. */
const eventLoopMonitoringPrecision = 5000
