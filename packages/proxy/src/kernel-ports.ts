import { protocolNumbers } from '@weft/api'
import type { IpAddress } from '@weft/ip'
import { type MapElement, partsOf, type TableState, type Value } from '@weft/nftables'
import { families, sets } from './sets.ts'
import { layoutSet } from './table.ts'

/** UDP ports that the kernel's table served before we came: whatever of them we do not know was taken away meanwhile. */
export function servedBefore(kernel: TableState | undefined): readonly { readonly ip: IpAddress, readonly port: number }[] {
  return families.flatMap((family) => {
    const { service, checked } = sets[family]
    const maps = kernel?.table.maps.filter(({ name }) => name === service.name || name === checked.name) ?? []
    return maps.flatMap(({ elements }) => elements).flatMap(({ key }) => {
      const [ip, protocol, port] = partsOf(key)
      return (protocol === 'udp' || protocol === protocolNumbers.UDP) && isAddress(ip) && typeof port === 'number' ? [{ ip, port }] : []
    })
  })
}

/** A backend whose UDP flows may be due to stay although it no longer serves. */
export interface BackendBefore {
  readonly ip: IpAddress
  readonly port: number
  readonly backend: IpAddress
  readonly backendPort: number
  /** Until when, in seconds since 1970; undefined for one that still served. */
  readonly endsAt: number | undefined
}

/** Backends of UDP ports in the kernel's table: those that the process before us held, and those that served. */
export function backendsBefore(kernel: TableState | undefined): readonly BackendBefore[] {
  const elementsOf = (name: string): readonly MapElement[] => kernel?.table.maps.find((map) => map.name === name)?.elements ?? []
  return families.flatMap((family) => {
    const { endpoint, slot, localSlot, held } = sets[family]
    const served = [endpoint, slot, localSlot].flatMap(({ name }) => elementsOf(name)).flatMap(({ key, data }) => {
      const [ip, protocol, port] = partsOf(key)
      return protocol === 'udp' || protocol === protocolNumbers.UDP ? backendAt([ip, port, ...valuesOf(data)], undefined) : []
    })
    return [...served, ...elementsOf(held.name).flatMap(({ key, data }) => {
      const [endsAt] = valuesOf(data)
      return typeof endsAt === 'number' ? backendAt(partsOf(key), endsAt) : []
    })]
  })
}

function backendAt([ip, port, backend, backendPort]: readonly (Value | undefined)[], endsAt: number | undefined): readonly BackendBefore[] {
  return isAddress(ip) && typeof port === 'number' && isAddress(backend) && typeof backendPort === 'number' ? [{ ip, port, backend, backendPort, endsAt }] : []
}

function valuesOf(data: MapElement['data']): readonly Value[] {
  return typeof data === 'object' && 'verdict' in data ? [] : partsOf(data)
}

/** The version of the layout that the kernel's table has; tables before there were versions have none. */
export function layoutOf(kernel: TableState | undefined): number | undefined {
  const key = kernel?.table.sets.find(({ name }) => name === layoutSet.name)?.elements[0]?.key
  return typeof key === 'number' ? key : undefined
}

function isAddress(value: Value | undefined): value is IpAddress {
  return typeof value === 'object' && 'bits' in value
}
