import type { Endpoint, EndpointSlice, ServicePort } from '@weft/api'
import { compareIp, equalIp, type IpAddress } from '@weft/ip'
import type { Backend } from './model.ts'
import { maxBackends } from './pick.ts'
import type { Family } from './sets.ts'

/** The endpoints of one Service port and family, by what they are good for. */
export interface Backends {
  /** For new connections from anywhere. */
  readonly all: readonly Backend[]
  /** For new connections that may not leave this node; empty unless asked for. */
  readonly local: readonly Backend[]
  /** All that serve, also those that get nothing new: UDP flows may stay with them (SVC-93). */
  readonly serving: readonly Backend[]
}

interface Candidate {
  readonly backend: Backend
  readonly endpoint: Endpoint
}

const noBackends: Backends = { all: [], local: [], serving: [] }

/**
 * Sorts endpoints out: the ready ones; when there are none, those that still serve while they terminate (KEP-1669), for
 * all and for this node's each by themselves (SVC-80, SVC-81). Pure, whatever the order of slices.
 */
export function findBackends(slices: readonly EndpointSlice[], { port, family, nodeName, withLocal }: { readonly port: ServicePort, readonly family: Family, readonly nodeName: string, readonly withLocal: boolean }): Backends {
  const candidates: Candidate[] = []
  for (const slice of slices) {
    if (slice.family !== family) continue
    const number = slice.ports.find(({ name, protocol }) => name === port.name && protocol === port.protocol)?.port
    if (number === undefined) continue
    for (const endpoint of slice.endpoints) {
      const ip = endpoint.addresses[0]
      if (ip !== undefined) candidates.push({ endpoint, backend: { ip, port: number, local: nodeName !== '' && endpoint.nodeName === nodeName } })
    }
  }
  if (candidates.length === 0) return noBackends
  const all = usable(candidates)
  return {
    all,
    local: withLocal ? usable(candidates.filter(({ backend }) => backend.local)) : [],
    serving: candidates.every(({ endpoint }) => endpoint.ready) ? all : unique(candidates.filter(({ endpoint }) => endpoint.ready || endpoint.serving)),
  }
}

function usable(candidates: readonly Candidate[]): readonly Backend[] {
  const ready = candidates.filter(({ endpoint }) => endpoint.ready)
  return unique(ready.length > 0 ? ready : candidates.filter(({ endpoint }) => endpoint.serving && endpoint.terminating))
}

/** In order, each address and port once; of two that differ the one on this node (SVC-4). */
function unique(candidates: readonly Candidate[]): readonly Backend[] {
  const sorted = candidates.map(({ backend }) => backend).sort((a, b) => compareIp(a.ip, b.ip) || a.port - b.port || Number(b.local) - Number(a.local))
  return sorted.filter(({ ip, port }, index) => index === 0 || !equalIp(ip, sorted[index - 1]!.ip) || port !== sorted[index - 1]!.port).slice(0, maxBackends)
}

/** Equal for the same address and port; of one family. */
export function backendKey(ip: IpAddress, port: number): string {
  return `${ip.bits} ${port}`
}
