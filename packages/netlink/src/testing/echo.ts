import { randomInt } from 'node:crypto'
import { type IfIndex, type IpAddress, ipToBytes, parseIp } from '@weft/ip'
import { NetlinkError } from '../errors.ts'
import * as libc from '../libc.ts'
import { inNetns } from '../netns.ts'

const IPPROTO_ICMP = 1
const IPPROTO_ICMPV6 = 58
const ECHO = { 4: { protocol: IPPROTO_ICMP, request: 8, reply: 0 }, 6: { protocol: IPPROTO_ICMPV6, request: 128, reply: 129 } } as const
const HEADER_LENGTH = 8

/** How {@link echoes} asks. */
export interface EchoOptions {
  /** Source address; the kernel's choice when absent. */
  readonly from?: string | undefined
  /** Index of the link, for link-local targets. */
  readonly ifIndex?: IfIndex | undefined
  /** How long the answer may take, in milliseconds. */
  readonly timeoutMs?: number | undefined
}

/** Whether an address answers one ICMP echo request sent in a namespace: what `ping -c 1` tells, without the program. */
export async function echoes(path: string, to: string, { from, ifIndex, timeoutMs = 2000 }: EchoOptions = {}): Promise<boolean> {
  const address = parseIp(to)
  const fd = Number(await inNetns(path, { module: import.meta.url, name: 'openEchoSocket', data: address.family }))
  try {
    if (from !== undefined) libc.bind(fd, socketAddress(parseIp(from), ifIndex))
    return exchange(fd, address, ifIndex, timeoutMs)
  } finally {
    libc.close(fd)
  }
}

/**
 * Runs on the thread that is in the namespace, called by its name.
 *
 * @public
 */
export function openEchoSocket(family: unknown): number {
  return family === 4 ? libc.socket(libc.AF_INET, libc.SOCK_RAW, ECHO[4].protocol) : libc.socket(libc.AF_INET6, libc.SOCK_RAW, ECHO[6].protocol)
}

function exchange(fd: number, to: IpAddress, ifIndex: IfIndex | undefined, timeoutMs: number): boolean {
  const { request, reply } = ECHO[to.family]
  const message = Buffer.alloc(HEADER_LENGTH)
  message.writeUInt8(request)
  message.writeUInt32BE(randomInt(0xffff_ffff), 4)
  // ICMPv6 checksums are the kernel's work.
  if (to.family === 4) message.writeUInt16BE(checksum(message), 2)
  try {
    // From here on only what this address sends is heard.
    libc.connect(fd, socketAddress(to, ifIndex))
    libc.send(fd, message, 0)
    return isAnswered(fd, to, { reply, token: message.readUInt32BE(4) }, performance.now() + timeoutMs)
  } catch (error) {
    // No route, refused by a rule, unreachable: no answer.
    if (error instanceof NetlinkError) return false
    throw error
  }
}

function isAnswered(fd: number, to: IpAddress, wanted: { readonly reply: number, readonly token: number }, deadline: number): boolean {
  const bytes = Buffer.alloc(2048)
  for (;;) {
    const left = deadline - performance.now()
    if (left <= 0) return false
    if (libc.poll(fd, libc.POLLIN, Math.ceil(left)) === 0) continue
    const length = libc.recv(fd, bytes, libc.MSG_DONTWAIT) ?? 0
    // Raw IPv4 sockets give the IP header too.
    const at = to.family === 4 ? (bytes[0]! & 0xf) * 4 : 0
    if (length >= at + HEADER_LENGTH && bytes[at] === wanted.reply && bytes.readUInt32BE(at + 4) === wanted.token) return true
  }
}

/** A sockaddr_in or sockaddr_in6 without a port. */
export function socketAddress(address: IpAddress, ifIndex: IfIndex | undefined): Buffer {
  const bytes = Buffer.alloc(address.family === 4 ? 16 : 28)
  bytes.writeUInt16LE(address.family === 4 ? libc.AF_INET : libc.AF_INET6)
  bytes.set(ipToBytes(address), address.family === 4 ? 4 : 8)
  if (address.family === 6) bytes.writeUInt32LE(ifIndex ?? 0, 24)
  return bytes
}

function checksum(message: Buffer): number {
  let sum = 0
  for (let at = 0; at < message.length; at += 2) sum += message.readUInt16BE(at)
  sum = (sum & 0xffff) + (sum >>> 16)
  return ~(sum + (sum >>> 16)) & 0xffff
}
