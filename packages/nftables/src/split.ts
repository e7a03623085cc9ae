import type { EncodedBatch } from './batch.ts'

/** A run of messages, `from` included, `to` not. */
export interface BatchPart {
  readonly from: number
  readonly to: number
}

/**
 * Cuts a transaction into batches of at most `limit` bytes, as few as possible. Only what is data (declarations and elements) may be committed apart from the
 * rest: before it if it comes before it, after it if it comes after.
 *
 * @param limit Bytes of messages in a batch.
 * @returns Undefined if it cannot be cut so: a message is too large, or what belongs together is.
 */
export function splitBatch(batch: EncodedBatch, limit: number): readonly BatchPart[] | undefined {
  const { messages, bytes } = batch
  if (messages.length === 0) return []
  if (bytes.length <= limit) return [{ from: 0, to: messages.length }]
  const endOf = (index: number): number => (index + 1 < messages.length ? messages[index + 1]!.start : bytes.length)
  const firstFixed = messages.findIndex((message) => !message.isData)
  const lastFixed = messages.findLastIndex((message) => !message.isData)
  const parts: BatchPart[] = []
  let from = 0
  for (let index = 0; index < messages.length; index++) {
    // What lies between the first and the last fixed message goes together.
    const isInside = firstFixed >= 0 && index >= firstFixed && index <= lastFixed
    const last = isInside ? lastFixed : index
    const start = messages[from]!.start
    if (endOf(last) - start > limit) {
      if (from === index) return undefined
      parts.push({ from, to: index })
      from = index
      if (endOf(last) - messages[index]!.start > limit) return undefined
    }
    index = last
  }
  parts.push({ from, to: messages.length })
  return parts
}
