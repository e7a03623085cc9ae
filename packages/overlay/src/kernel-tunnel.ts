import { formatIp, type IpAddress } from '@weft/ip'
import { type Link, type Neighbour, requests, type RouteSocket } from '@weft/netlink'
import type { Tunnel } from './compile.ts'
import { difference, type KernelChanges } from './kernel-diff.ts'

export type TunnelKernel = Pick<RouteSocket, 'findLink' | 'addLink' | 'setLink' | 'deleteLink' | 'fdb' | 'neighbours'>

export interface TunnelLink {
  readonly link: Link
  readonly written: number
  /** Made anew: settings of the link (sysctls) are gone with the old one. */
  readonly made: boolean
}

/**
 * The tunnel's link as wanted. One with another identity (VNI, port, local address) cannot be changed, only made anew.
 *
 * @throws {NetlinkError} EEXIST when another link has the same VNI and port, EOPNOTSUPP when the kernel has no VXLAN.
 */
export function ensureTunnel(route: TunnelKernel, tunnel: Tunnel): TunnelLink {
  const present = route.findLink(tunnel.name)
  if (present !== undefined && isSameTunnel(present, tunnel)) {
    if (present.mac === tunnel.mac && present.mtu === tunnel.mtuBytes && present.up) return { link: present, written: 0, made: false }
    route.setLink(present.index, { mac: tunnel.mac, mtu: tunnel.mtuBytes, up: true })
    return { link: present, written: 1, made: false }
  }
  // The name is ours: whatever has it goes.
  if (present !== undefined) route.deleteLink(present.index)
  const link = route.addLink({
    kind: 'vxlan', name: tunnel.name, vni: tunnel.vni, port: tunnel.port, local: tunnel.local, mac: tunnel.mac, mtu: tunnel.mtuBytes, learning: false, up: true,
    // Outer packets go without a UDP checksum over IPv6 too (RFC 6935); inner packets have their own.
    udp6ZeroChecksum: tunnel.local.family === 6,
  })
  return { link, written: present === undefined ? 1 : 2, made: true }
}

function isSameTunnel({ vxlan }: Link, { vni, port, local }: Tunnel): boolean {
  return vxlan !== undefined && vxlan.vni === vni && vxlan.port === port && !vxlan.learning && vxlan.remote === undefined && vxlan.device === undefined
    && vxlan.local !== undefined && formatIp(vxlan.local) === formatIp(local) && vxlan.udp6ZeroChecksum === (local.family === 6)
}

/** Where MAC addresses are, and which next hop has which. Another address of a peer takes the place of the old one. */
export function compareTunnel(route: TunnelKernel, { link }: TunnelLink, { forwarding, neighbours }: Tunnel): KernelChanges {
  const ends = difference(
    { items: forwarding, describe: ({ mac, remote }) => [mac, keyOf(remote)] },
    { items: route.fdb(link.index), describe: ({ mac, destination }) => [mac, destination === undefined ? '' : keyOf(destination)] },
  )
  const hops = difference(
    { items: neighbours, describe: ({ address, mac }) => [keyOf(address), mac] },
    { items: route.neighbours({ ifIndex: link.index }).filter(isPermanent), describe: ({ address, mac }) => [keyOf(address), mac ?? ''] },
  )
  return {
    writes: [
      ...ends.missing.map(({ mac, remote }) => requests.replaceFdb({ ifIndex: link.index, mac, destination: remote })),
      ...hops.missing.map(({ address, mac }) => requests.replaceNeighbour({ ifIndex: link.index, address, mac })),
    ],
    deletes: [
      ...hops.surplus.map(({ address }) => requests.deleteNeighbour({ ifIndex: link.index, address })),
      ...ends.surplus.map(({ mac, destination }) => requests.deleteFdb({ ifIndex: link.index, mac, destination })),
    ],
  }
}

/** Cheaper than text for people, which thousands of comparisons would pay for. */
function keyOf({ family, bits }: IpAddress): string {
  return `${family} ${bits}`
}

/** The kernel keeps entries of its own for multicast; those are not permanent. */
function isPermanent({ state, mac }: Neighbour): boolean {
  return state === 'permanent' && mac !== undefined
}
