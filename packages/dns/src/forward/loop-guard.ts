import { rrTypes } from '../wire/codes.ts'
import { type Name, nameFromLabels } from '../wire/name.ts'
import type { QueryView } from '../wire/query-view.ts'
import { randomBytes } from './upstream-query.ts'

const tokenBytes = 16
const maxUpstreams = 16
const encoder = new TextEncoder()

/** What threads share to recognise their probes. */
export interface LoopMemory {
  /** Unguessable, so nobody but an upstream can make us believe in a loop (CVE-2026-26018). */
  readonly token: Uint8Array
  /** How often each upstream's probe has come back. */
  readonly seen: SharedArrayBuffer
}

/**
 * Notices an upstream that leads back to this server: a question with a secret name is sent to it; should it arrive
 * here, there is a loop (DNS-80).
 */
export class LoopGuard {
  readonly memory: LoopMemory
  readonly #seen: Int32Array
  readonly #prefix: Uint8Array

  constructor(memory: LoopMemory = { token: randomBytes(tokenBytes), seen: new SharedArrayBuffer(maxUpstreams * Int32Array.BYTES_PER_ELEMENT) }) {
    this.memory = memory
    this.#seen = new Int32Array(memory.seen)
    this.#prefix = encoder.encode(Buffer.from(memory.token).toString('hex'))
  }

  /** The name to ask upstream number `index` (below 16) for, type HINFO. */
  probeName(index: number): Name {
    return nameFromLabels([this.#prefix, encoder.encode(`loop-${index.toString(16)}`)])
  }

  /** How often the probes of that upstream arrived here. */
  seen(index: number): number {
    return Atomics.load(this.#seen, index)
  }

  /** True for a probe of ours; it is counted. */
  recognise({ name, type }: Pick<QueryView, 'name' | 'type'>): boolean {
    if (type !== rrTypes.HINFO || name.labelCount !== 2 || name.bytes[0] !== this.#prefix.length) return false
    if (this.#prefix.some((byte, at) => name.bytes[at + 1] !== byte)) return false
    const index = Number.parseInt(name.bytes.toString('latin1', name.length - 2, name.length - 1), 16)
    if (!Number.isInteger(index)) return false
    Atomics.add(this.#seen, index, 1)
    return true
  }
}
