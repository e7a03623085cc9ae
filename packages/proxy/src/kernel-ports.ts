import { protocolNumbers } from '@weft/api'
import type { IpAddress } from '@weft/ip'
import { partsOf, type TableState, type Value } from '@weft/nftables'
import { families, sets } from './sets.ts'
import { layoutSet } from './table.ts'

/** UDP ports that the kernel's table served before we came: whatever of them we do not know was taken away meanwhile. */
export function servedBefore(kernel: TableState | undefined): readonly { readonly ip: IpAddress, readonly port: number }[] {
  return families.flatMap((family) => {
    const elements = kernel?.table.maps.find(({ name }) => name === sets[family].service.name)?.elements ?? []
    return elements.flatMap(({ key }) => {
      const [ip, protocol, port] = partsOf(key)
      return (protocol === 'udp' || protocol === protocolNumbers.UDP) && isAddress(ip) && typeof port === 'number' ? [{ ip, port }] : []
    })
  })
}

/** The version of the layout that the kernel's table has; tables before there were versions have none. */
export function layoutOf(kernel: TableState | undefined): number | undefined {
  const key = kernel?.table.sets.find(({ name }) => name === layoutSet.name)?.elements[0]?.key
  return typeof key === 'number' ? key : undefined
}

function isAddress(value: Value | undefined): value is IpAddress {
  return typeof value === 'object' && 'bits' in value
}
