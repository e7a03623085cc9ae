import { Registry } from 'prom-client'

export { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** A registry of one program; the library's global one is never used. */
export function createRegistry(): Registry {
  return new Registry()
}
