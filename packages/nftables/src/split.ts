import type { EncodedBatch } from './batch.ts'

/**
 * Cuts a transaction into batches of at most `limit` bytes, as few as possible.
 *
 * Only what is data (declarations and elements) may be committed apart from the rest: before it if it comes before it, after it if it comes after. If what lies
 * between does not fit (a large table is replaced), its elements follow the rest: a moment of empty sets is better than a table that can never be loaded.
 *
 * @param limit Bytes of messages in a batch.
 * @returns Indexes of messages for each batch; undefined if a message, or what belongs together, is too large.
 */
export function splitBatch(batch: EncodedBatch, limit: number): readonly (readonly number[])[] | undefined {
  const { messages, bytes } = batch
  const all = messages.map((_, index) => index)
  if (bytes.length <= limit) return all.length === 0 ? [] : [all]
  const sizeOf = (index: number): number => (messages[index + 1]?.start ?? bytes.length) - messages[index]!.start
  const total = (indexes: readonly number[]): number => indexes.reduce((sum, index) => sum + sizeOf(index), 0)
  const first = messages.findIndex((message) => !message.isData)
  const last = messages.findLastIndex((message) => !message.isData)
  const before = first < 0 ? all : all.slice(0, first)
  let together = first < 0 ? [] : all.slice(first, last + 1)
  let after = first < 0 ? [] : all.slice(last + 1)
  if (total(together) > limit) {
    after = [...together.filter((index) => messages[index]!.isElement), ...after]
    together = together.filter((index) => !messages[index]!.isElement)
  }
  // A unit goes into one batch.
  const units = [...before.map((index) => [index]), ...(together.length === 0 ? [] : [together]), ...after.map((index) => [index])]
  const parts: number[][] = []
  let room = 0
  for (const unit of units) {
    const size = total(unit)
    if (size > limit) return undefined
    if (parts.length === 0 || size > room) {
      parts.push([])
      room = limit
    }
    parts.at(-1)!.push(...unit)
    room -= size
  }
  return parts
}
