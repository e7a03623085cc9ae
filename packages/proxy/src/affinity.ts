import { backendKey } from './backends.ts'
import type { Affinity, Backend } from './model.ts'

// What a client comes back to is one number: which Service port (19 bits), then which of its backends (12 bits). It travels as skb priority, too.

const slotBits = 12
/** So many backends of one port can be told apart. */
export const slotCount: number = 1 << slotBits
/** The part of a number that says which Service port. */
export const portMask = 0x7fff_f000

/**
 * Numbers the backends of a port. Numbers are hashes, so they are equal on all nodes and in every order of events, and stay when others come and go.
 * Should two ports have one number, a client of both is remembered for the one it used last; it never gets a backend of the other.
 *
 * @param name What is the same for all addresses of the port.
 * @param backends All that the port may lead to. Of more than {@link slotCount} different ones some share a number, and the first of them gets their clients.
 */
export function affinityOf(name: string, seconds: number, backends: readonly Backend[]): Affinity {
  const port = hash(name) & portMask
  const ids = new Map<string, number>()
  const taken = new Set<number>()
  for (const key of [...new Set(backends.map(({ ip, port: number }) => backendKey(ip, number)))].sort()) {
    let slot = hash(key) % slotCount
    while (taken.has(slot) && taken.size < slotCount) slot = (slot + 1) % slotCount
    taken.add(slot)
    ids.set(key, port + slot)
  }
  return { seconds, port, ids }
}

/** FNV-1a, then mixed as in MurmurHash3: its last bits are used by themselves. */
function hash(text: string): number {
  let value = 0x811c_9dc5
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x0100_0193)
  value = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35)
  return (value ^ (value >>> 16)) >>> 0
}
