import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeFrames, encodeFrame, type Frame, type FrameKind } from './protocol.ts'

async function* pieces(bytes: Buffer, size: number): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}

describe('decodeFrames()', () => {
  test('gives back what encodeFrame() wrote, however it is cut', async () => {
    const frame = fc.record({ kind: fc.constantFrom<FrameKind>('stdout', 'stderr', 'exit'), data: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) })
    await fc.assert(fc.asyncProperty(fc.array(frame, { maxLength: 10 }), fc.integer({ min: 1, max: 50 }), async (frames: Frame[], size) => {
      const bytes = Buffer.concat(frames.map(({ kind, data }) => encodeFrame(kind, data)))
      expect(await Array.fromAsync(decodeFrames(pieces(bytes, size)))).toEqual(frames)
    }))
  })

  test('refuses a stream that ends inside a frame or has an unknown kind', async () => {
    await expect(Array.fromAsync(decodeFrames(pieces(encodeFrame('stdout', Buffer.from('text')).subarray(0, 6), 10)))).rejects.toThrow(/ended inside it/)
    await expect(Array.fromAsync(decodeFrames(pieces(Buffer.from([9, 0, 0, 0, 0]), 10)))).rejects.toThrow(/its kind is 9/)
  })
})
