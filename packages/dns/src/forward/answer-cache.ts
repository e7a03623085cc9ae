import { LRUCache } from 'lru-cache'
import type { CacheConfig } from '../config.ts'
import type { Answer } from '../zone/answer.ts'
import type { UpstreamAnswer } from './upstream-answer.ts'

export interface Kept {
  readonly answer: Answer
  readonly ageSeconds: number
  /** Its life is over; it is better than nothing. */
  readonly stale: boolean
  /** It is asked for again and again and nearly over: time to ask anew. */
  readonly due: boolean
}

interface Entry {
  readonly answer: Answer
  readonly storedAtMs: number
  readonly ttlMs: number
  hits: number
}

/** Bytes an entry costs besides its answer's own: key, objects, offsets. */
const overheadBytes = 400

/**
 * Answers of upstreams, bounded in number and bytes. Negative ones live apart, so a flood of names that do not exist
 * cannot push out those that do.
 */
export class AnswerCache {
  readonly #config: CacheConfig
  readonly #positive: LRUCache<string, Entry> | undefined
  readonly #negative: LRUCache<string, Entry> | undefined

  constructor(config: CacheConfig) {
    this.#config = config
    if (config.maxEntries === 0) return
    const options = {
      max: config.maxEntries,
      maxSize: config.maxBytes,
      sizeCalculation: ({ answer }: Entry, key: string) => answer.bytes.length + (answer.ends.length + answer.ttlOffsets.length) * 8 + key.length + overheadBytes,
    }
    this.#positive = new LRUCache(options)
    this.#negative = new LRUCache(options)
  }

  get size(): number {
    return (this.#positive?.size ?? 0) + (this.#negative?.size ?? 0)
  }

  get(key: string, nowMs: number): Kept | undefined {
    const entry = this.#positive?.get(key) ?? this.#negative?.get(key)
    if (entry === undefined) return undefined
    const ageMs = nowMs - entry.storedAtMs
    if (ageMs > entry.ttlMs + this.#config.serveStale) return undefined
    entry.hits += 1
    const left = entry.ttlMs - ageMs
    return {
      answer: entry.answer,
      ageSeconds: Math.floor(ageMs / 1000),
      stale: left <= 0,
      due: this.#config.prefetch && entry.hits > 2 && left < entry.ttlMs / 10,
    }
  }

  put(key: string, { answer, negative, ttlSeconds }: UpstreamAnswer, nowMs: number): void {
    if (ttlSeconds === 0) return
    const [to, from] = negative ? [this.#negative, this.#positive] : [this.#positive, this.#negative]
    from?.delete(key)
    to?.set(key, { answer, storedAtMs: nowMs, ttlMs: ttlSeconds * 1000, hits: 0 })
  }
}
