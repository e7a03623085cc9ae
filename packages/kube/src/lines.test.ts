import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readLines } from './lines.ts'

async function* chunks(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  for (const part of parts) {
    await Promise.resolve()
    yield part
  }
}

describe('readLines()', () => {
  test('gives the same lines however the bytes are cut', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !text.includes('\n'))), fc.array(fc.nat(40)), async (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
      const parts: Uint8Array[] = []
      let start = 0
      for (const cut of cuts) {
        parts.push(bytes.subarray(start, start + cut))
        start += cut
      }
      parts.push(bytes.subarray(start))
      expect(await Array.fromAsync(readLines(chunks(parts), 10_000))).toEqual(lines)
    }), { numRuns: 100 })
  })

  test('gives a last line without an end, and skips empty ones', async () => {
    expect(await Array.fromAsync(readLines(chunks([Buffer.from(`\na\n\nb`)]), 10))).toEqual(['a', 'b'])
  })

  test('refuses a line over the limit before it is complete', async () => {
    const lines = readLines(chunks([Buffer.from(`ok\n`), Buffer.alloc(6, 'x'), Buffer.alloc(6, 'x')]), 10)
    expect((await lines.next()).value).toBe('ok')
    await expect(lines.next()).rejects.toMatchObject({ code: 'ERR_KUBE_TOO_LARGE' })
  })
})
