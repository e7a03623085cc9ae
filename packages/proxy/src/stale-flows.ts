import { protocolNumbers } from '@weft/api'
import type { IpAddress } from '@weft/ip'
import { backendKey } from './backends.ts'
import { type Backend, ipKey, type VirtualPort } from './model.ts'
import type { FlowFilter, FlowTable, TrackedFlow } from './flow-table.ts'
import type { Family } from './sets.ts'

/** A UDP port of whose flows some must not go on as they do. */
export interface StalePort {
  readonly ip: IpAddress
  readonly port: number
  /** Backends that flows may stay with (see {@link backendKey}). */
  readonly keeps: ReadonlySet<string>
}

/**
 * TCP finds out by itself; a UDP client that keeps sending refreshes its conntrack entry for ever. So when a backend is gone,
 * flows to it are forgotten, and when the first one comes, those that began before it (SVC-92, SVC-96). One that still serves keeps its
 * flows, whatever policy says about new ones (SVC-93).
 *
 * @param before Ports as they were served; those that did not change may be left out of both.
 * @param after Ports as they are served now.
 */
export function stalePorts(before: readonly VirtualPort[], after: readonly VirtualPort[]): readonly StalePort[] {
  const now = new Map(udp(after).map((port) => [placeKey(port), port]))
  const old = new Map(udp(before).map((port) => [placeKey(port), port]))
  const stale: StalePort[] = []
  for (const [key, port] of new Map([...old, ...now])) {
    const was = keepersOf(old.get(key))
    const keeps = keepersOf(now.get(key))
    // A client may have sent to the address before it was a Service's.
    const isNew = !old.has(key)
    const isFirst = was.size === 0 && keeps.size > 0
    if (isNew || isFirst || !was.isSubsetOf(keeps)) stale.push({ ip: port.ip, port: port.port, keeps })
  }
  return stale
}

/** All that must not go on, where nobody knows what was before: at the start and after a failed commit. */
export function allStalePorts(served: Iterable<VirtualPort>, gone: readonly { readonly ip: IpAddress, readonly port: number }[]): readonly StalePort[] {
  const now = udp([...served]).map((port): StalePort => ({ ip: port.ip, port: port.port, keeps: keepersOf(port) }))
  const known = new Set(now.map(placeKey))
  return [...now, ...gone.filter((place) => !known.has(placeKey(place))).map((place): StalePort => ({ ...place, keeps: new Set() }))]
}

/**
 * Forgets stale flows, looking through the kernel's table once per family however many ports there are.
 *
 * @returns How many flows were deleted.
 */
export function forgetFlows(flows: FlowTable, ports: readonly StalePort[]): number {
  let forgotten = 0
  for (const [family, group] of Map.groupBy(ports, ({ ip }): Family => ip.family)) {
    const byPlace = new Map(group.map((port) => [placeKey(port), port]))
    const [only] = byPlace.size === 1 ? byPlace.values() : []
    const filter: FlowFilter = { family, protocol: protocolNumbers.UDP, ...(only === undefined ? {} : { origDst: only.ip, origDport: only.port }) }
    forgotten += flows.deleteMatching(filter, ({ original, reply }) => {
      const port = byPlace.get(placeKey({ ip: original.destination, port: original.destinationPort ?? 0 }))
      return port !== undefined && !port.keeps.has(replyKey(reply))
    })
  }
  return forgotten
}

function replyKey({ source, sourcePort }: TrackedFlow['reply']): string {
  return backendKey(source, sourcePort ?? 0)
}

function udp(ports: readonly VirtualPort[]): readonly VirtualPort[] {
  return ports.filter(({ protocol }) => protocol === 'UDP')
}

function keepersOf(port: VirtualPort | undefined): ReadonlySet<string> {
  return new Set(port === undefined ? [] : keepers(port).map(({ ip, port: number }) => backendKey(ip, number)))
}

/** All that UDP flows of a port may stay with. */
export function keepers({ backends, local = [], lingering, held }: VirtualPort): readonly Backend[] {
  return [...backends, ...local, ...lingering, ...held.map(({ backend }) => backend)]
}

function placeKey({ ip, port }: { readonly ip: IpAddress, readonly port: number }): string {
  return `${ipKey(ip)} ${port}`
}
