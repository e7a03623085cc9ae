// What kube-proxy answers to probes and load balancers, field by field: pkg/proxy/healthcheck of Kubernetes.
import type { ServerResponse } from 'node:http'
import type { HealthPort } from './health-port.ts'

export interface HealthAnswer {
  readonly status: 200 | 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Whether the kernel follows the cluster. */
export interface ProxyHealth {
  readonly healthy: boolean
  /** When the kernel had all last; undefined before the first time. */
  readonly updatedAt: Date | undefined
}

const headers = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' }

/**
 * `/healthz`: may a load balancer send new connections to this node (KEP-3836)?
 *
 * @param eligible Whether the node is to stay; undefined where nobody asks (`/livez`).
 */
export function healthzAnswer({ healthy, updatedAt }: ProxyHealth, now: Date, eligible: boolean | undefined): HealthAnswer {
  // Healthy means up to date, so the time is now, as in kube-proxy: probes that look at its age stay content in a quiet cluster.
  const lastUpdated = healthy ? now : updatedAt
  const body = { lastUpdated: lastUpdated?.toISOString() ?? '', currentTime: now.toISOString(), ...(eligible === undefined ? {} : { nodeEligible: eligible }) }
  return { status: healthy && eligible !== false ? 200 : 503, headers, body: JSON.stringify(body) }
}

/** On a health check port: has the Service endpoints on this node? */
export function servicePortAnswer({ key, localEndpoints }: HealthPort, healthy: boolean): HealthAnswer {
  const [namespace, name] = key.split('/')
  return {
    status: localEndpoints > 0 && healthy ? 200 : 503,
    headers: { ...headers, 'x-load-balancing-endpoint-weight': String(localEndpoints) },
    body: JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: healthy }, undefined, '\t'),
  }
}

export function send(response: ServerResponse, { status, headers: fields, body }: HealthAnswer): void {
  response.writeHead(status, { ...fields, 'content-length': Buffer.byteLength(body) }).end(body)
}
