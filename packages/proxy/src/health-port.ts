import { type EndpointSlice, type NodeName, objectKey, type Service } from '@weft/api'
import { ipKey } from './model.ts'

/** What a load balancer asks this node about one Service. */
export interface HealthPort {
  readonly key: string
  readonly port: number
  /** Endpoints of this node that take new connections; those that only terminate do not count (SVC-85, SVC-100). */
  readonly localEndpoints: number
}

/**
 * The health check port of a Service: only load balancers with `externalTrafficPolicy: Local` have one. Pure.
 *
 * @param slices All slices of the Service.
 */
export function healthPort(service: Service, slices: readonly EndpointSlice[], nodeName: NodeName): HealthPort | undefined {
  const { type, externalTrafficPolicy, healthCheckNodePort } = service
  if (type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local' || healthCheckNodePort === undefined) return undefined
  const here = { 4: new Set<string>(), 6: new Set<string>() }
  for (const { family, endpoints } of slices) {
    for (const { ready, nodeName: where, ip } of endpoints) if (ready && where === nodeName && ip !== undefined) here[family].add(ipKey(ip))
  }
  // A pod of two families is one.
  return { key: objectKey(service), port: healthCheckNodePort, localEndpoints: Math.max(here[4].size, here[6].size) }
}
