import type { IpAddress } from '@weft/ip'
import type { Backend, ServiceModel, VirtualPort } from './model.ts'

/** UDP flows whose conntrack entry would keep them on a path that is no longer wanted. */
export interface StaleFlow {
  /** Where the client sends to. */
  readonly destination: IpAddress
  readonly port: number
  /** The backend that is gone; absent when the flow began while the port had no backend at all. */
  readonly backend: Backend | undefined
}

/**
 * TCP finds out by itself; a UDP client that keeps sending refreshes its conntrack entry for ever. So flows to a backend
 * that was taken away are forgotten, and so are those that began before a port had its first backend.
 */
export function staleFlows(before: ServiceModel | undefined, after: ServiceModel | undefined): readonly StaleFlow[] {
  const old = udpPorts(before)
  const now = udpPorts(after)
  const gone = [...old].flatMap(([key, { ip, port, backends }]) => {
    const kept = new Set(now.get(key)?.backends.map(backendKey))
    return backends.filter((backend) => !kept.has(backendKey(backend))).map((backend): StaleFlow => ({ destination: ip, port, backend }))
  })
  const first = [...now]
    .filter(([key, { backends }]) => backends.length > 0 && (old.get(key)?.backends.length ?? 0) === 0)
    .map(([, { ip, port }]): StaleFlow => ({ destination: ip, port, backend: undefined }))
  return [...gone, ...first]
}

function udpPorts(service: ServiceModel | undefined): ReadonlyMap<string, VirtualPort> {
  return new Map(service?.ports.filter(({ protocol }) => protocol === 'UDP').map((port) => [`${port.ip.bits} ${port.port}`, port]))
}

function backendKey({ ip, port }: Backend): string {
  return `${ip.bits} ${port}`
}
