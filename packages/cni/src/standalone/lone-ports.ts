import type { Allocator, RangeSet } from '@weft/allocator'
import { type Family, type IpAddress, type Ipv4, type Ipv6, parseIp } from '@weft/ip'
import { NetlinkError, type RouteSocket } from '@weft/netlink'
import type { AddressPort, CniPorts, CoverPort, NodeAddresses } from '../ports.ts'

/** Any address of elsewhere (RFC 5737, RFC 3849): the way there is the way out. */
const elsewhere: Readonly<Record<Family, IpAddress>> = { 4: parseIp('192.0.2.1'), 6: parseIp('2001:db8::1') }
const usualMtu = 1500

type Lookup = Pick<RouteSocket, 'lookupRoute' | 'addresses' | 'link'>

/** What the rest of the agent would say, on a machine where there is none. */
export function lonePorts({ route, allocator, ranges }: { readonly route: Lookup, readonly allocator: Allocator, readonly ranges: readonly RangeSet[] }): CniPorts {
  return {
    address: withOwnRanges(allocator, ranges),
    cover: unguarded,
    mtu: { podMtu: () => uplinkMtu(route) },
    node: { addresses: () => ownAddresses(route) },
  }
}

/** No policies: nothing to wait for. */
const unguarded: CoverPort = { ready: true, cover: () => Promise.resolve(), uncover: () => Promise.resolve() }

/** Ranges of the machine where a request has none of that family. */
function withOwnRanges(allocator: Allocator, ranges: readonly RangeSet[]): AddressPort {
  return {
    // Networks may bring their ranges, so no range has to be known first.
    get ready() {
      return allocator.trouble === undefined
    },
    get trouble() {
      return allocator.trouble
    },
    mend: () => allocator.mend(),
    async allocate(request, options) {
      const given = request.ranges ?? []
      const families = new Set(given.map(([range]) => range!.subnet.family))
      const sets = [...given, ...ranges.filter(([range]) => !families.has(range!.subnet.family))]
      return await allocator.allocate({ ...request, ranges: sets, families: sets.map(([range]) => range!.subnet.family) }, options)
    },
    confirm: (key) => allocator.confirm(key),
    beginRelease: (key) => allocator.beginRelease(key),
    release: (key) => allocator.release(key),
    find: (key) => allocator.find(key),
    attachments: () => allocator.attachments(),
    setAside: allocator.setAside,
    restore: (attachment) => allocator.restore(attachment),
  }
}

/** The address that the kernel sends from, else any that others can answer to. */
function ownAddresses(route: Lookup): NodeAddresses {
  return { 4: ownAddress(route, 4) as Ipv4 | undefined, 6: ownAddress(route, 6) as Ipv6 | undefined }
}

function ownAddress(route: Lookup, family: Family): IpAddress | undefined {
  const source = wayOut(route, family)?.source
  return source ?? route.addresses().find(({ address, scope }) => address.family === family && scope === 'global')?.address
}

function uplinkMtu(route: Lookup): number {
  const mtus = ([4, 6] as const).flatMap((family) => {
    const ifIndex = wayOut(route, family)?.ifIndex
    return ifIndex === undefined ? [] : [route.link(ifIndex).mtu]
  })
  return Math.min(usualMtu, ...mtus)
}

function wayOut(route: Lookup, family: Family): ReturnType<Lookup['lookupRoute']> {
  try {
    return route.lookupRoute(elsewhere[family])
  } catch (error) {
    // A kernel without the family.
    if (error instanceof NetlinkError) return undefined
    throw error
  }
}
