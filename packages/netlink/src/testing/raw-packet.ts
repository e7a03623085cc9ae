import { type IfIndex, parseIp } from '@weft/ip'
import { NetlinkError } from '../errors.ts'
import * as libc from '../libc.ts'
import { inNetns } from '../netns.ts'
import { socketAddress } from './echo.ts'

/**
 * Sends the payload of one IP packet from a namespace: for protocols the kernel has no sockets for. A link-local target wants the index of the link.
 *
 * @returns False if the kernel would not take it.
 */
export async function sendPacket(path: string, to: string, { protocol, payload, ifIndex }: { readonly protocol: number, readonly payload: Uint8Array, readonly ifIndex?: IfIndex | undefined }): Promise<boolean> {
  const address = parseIp(to)
  const fd = Number(await inNetns(path, { module: import.meta.url, name: 'openRawSocket', data: { family: address.family, protocol } }))
  try {
    libc.connect(fd, socketAddress(address, ifIndex))
    libc.send(fd, Buffer.from(payload), 0)
    return true
  } catch (error) {
    if (error instanceof NetlinkError) return false
    throw error
  } finally {
    libc.close(fd)
  }
}

/**
 * Runs on the thread that is in the namespace, called by its name.
 *
 * @public
 */
export function openRawSocket(data: unknown): number {
  const { family, protocol } = data as { readonly family: 4 | 6, readonly protocol: number }
  return libc.socket(family === 4 ? libc.AF_INET : libc.AF_INET6, libc.SOCK_RAW, protocol)
}
