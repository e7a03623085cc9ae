import type { Endpoint, EndpointSlice, NodeName, ServicePort } from '@weft/api'
import { compareIp, equalIp, type IpAddress } from '@weft/ip'
import type { Backend } from './model.ts'
import type { Family } from './sets.ts'
import { spread, type Weights } from './weights.ts'

/** The endpoints of one Service port and family, by what they are good for. */
export interface Backends {
  /** For new connections from anywhere. */
  readonly all: readonly Backend[]
  /** For new connections that may not leave this node; empty unless asked for. */
  readonly local: readonly Backend[]
  /** All that serve, also those that get nothing new: UDP flows may stay with them (SVC-93). */
  readonly serving: readonly Backend[]
  /** How many there are beyond the limit; they get nothing new. */
  readonly excess: number
}

/** Who asks for backends, and how its Service wants them chosen. */
export interface Selection {
  readonly port: ServicePort
  readonly family: Family
  readonly nodeName: NodeName
  /** Zone of this node; empty when it is in none. */
  readonly zone: string
  readonly withLocal: boolean
  /** Nobody new goes to those that terminate, not even when there are no others. */
  readonly drains: boolean
  /** Undefined when all are equal. */
  readonly weights: Weights | undefined
  /** How many different ones there may be, and how long their list. */
  readonly limits: { readonly backends: number, readonly list: number }
}

interface Candidate {
  readonly backend: Backend
  readonly endpoint: Endpoint
}

const noBackends: Backends = { all: [], local: [], serving: [], excess: 0 }

/**
 * Sorts endpoints out: the ready ones, of those the ones meant for this node or its zone (SVC-86, SVC-87); when there are none, those that still
 * serve while they terminate (KEP-1669), for all and for this node's each by themselves (SVC-80, SVC-81). Pure, whatever the order of slices.
 */
export function findBackends(slices: readonly EndpointSlice[], selection: Selection): Backends {
  const { port, family, nodeName, withLocal } = selection
  const candidates: Candidate[] = []
  for (const slice of slices) {
    if (slice.family !== family) continue
    const number = portIn(slice, port)
    if (number === undefined) continue
    for (const endpoint of slice.endpoints) {
      const { ip } = endpoint
      if (ip !== undefined) candidates.push({ endpoint, backend: { ip, port: number, local: endpoint.nodeName === nodeName } })
    }
  }
  if (candidates.length === 0) return noBackends
  const isPlain = candidates.every(({ endpoint }) => endpoint.ready)
  const all = usable(candidates, selection, nearest)
  return {
    all: all.list,
    // Hints are for those who have a choice (SVC-91).
    local: withLocal ? usable(candidates.filter(({ backend }) => backend.local), selection, (ready) => ready).list : [],
    serving: isPlain && all.isWhole ? all.list : unique(candidates.filter(({ endpoint }) => endpoint.ready || endpoint.serving)).map(({ backend }) => backend),
    excess: all.excess,
  }
}

/** Ports of slices that have many, by name and protocol: a Service of thousands asks for each of them. */
const manyPorts = new WeakMap<EndpointSlice, ReadonlyMap<string, number>>()
const few = 16

function portIn(slice: EndpointSlice, { name, protocol }: ServicePort): number | undefined {
  if (slice.ports.length <= few) return slice.ports.find((port) => port.name === name && port.protocol === protocol)?.port
  const byName = manyPorts.get(slice) ?? new Map(slice.ports.toReversed().map((port) => [`${port.name} ${port.protocol}`, port.port]))
  manyPorts.set(slice, byName)
  return byName.get(`${name} ${protocol}`)
}

interface Usable {
  readonly list: readonly Backend[]
  /** None of the candidates was left out. */
  readonly isWhole: boolean
  readonly excess: number
}

function usable(candidates: readonly Candidate[], selection: Selection, prefer: typeof nearest): Usable {
  const { drains, weights, limits } = selection
  const ready = candidates.filter(({ endpoint }) => endpoint.ready && !(drains && endpoint.terminating))
  const wanted = ready.length > 0 ? prefer(ready, selection) : drains ? [] : candidates.filter(({ endpoint }) => endpoint.serving && endpoint.terminating)
  const different = unique(wanted)
  const kept = different.slice(0, limits.backends)
  const list = weights === undefined ? kept.map(({ backend }) => backend) : spread(kept, weights, limits.list)
  return { list, isWhole: wanted.length === candidates.length && kept.length === different.length && weights === undefined, excess: different.length - kept.length }
}

/** Those meant for this node, else those meant for its zone, else all: a hint counts only where every endpoint has one. */
function nearest(ready: readonly Candidate[], { nodeName, zone }: Selection): readonly Candidate[] {
  return narrow(ready, ({ forNodes }) => forNodes, nodeName) ?? narrow(ready, ({ forZones }) => forZones, zone) ?? ready
}

function narrow(ready: readonly Candidate[], hints: (endpoint: Endpoint) => readonly string[], place: string): readonly Candidate[] | undefined {
  if (place === '' || ready.some(({ endpoint }) => hints(endpoint).length === 0)) return undefined
  const here = ready.filter(({ endpoint }) => hints(endpoint).includes(place))
  return here.length === 0 ? undefined : here
}

/** In order, each address and port once; of two that differ the one on this node (SVC-4). */
function unique(candidates: readonly Candidate[]): readonly Candidate[] {
  const sorted = [...candidates].sort(({ backend: a }, { backend: b }) => compareIp(a.ip, b.ip) || a.port - b.port || Number(b.local) - Number(a.local))
  return sorted.filter(({ backend: { ip, port } }, index) => {
    const before = sorted[index - 1]?.backend
    return before === undefined || !equalIp(ip, before.ip) || port !== before.port
  })
}

/** Equal for the same address and port; of one family. */
export function backendKey(ip: IpAddress, port: number): string {
  return `${ip.bits} ${port}`
}
