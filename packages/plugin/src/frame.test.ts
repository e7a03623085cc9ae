import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeCall, decodeReply, encodeCall, encodeReply } from './frame.ts'

describe('decodeCall()', () => {
  it('reads what encodeCall() wrote', () => {
    const key = fc.stringMatching(/^[A-Z_]{1,12}$/)
    const value = fc.string().filter((text) => !text.includes('\0') && text.isWellFormed())
    fc.assert(fc.property(fc.dictionary(key, value), fc.uint8Array(), (entries, stdin) => {
      const environment = new Map(Object.entries(entries))
      expect(decodeCall(encodeCall({ environment, stdin: Buffer.from(stdin) }))).toEqual({ environment, stdin: Buffer.from(stdin) })
    }))
  })

  it('throws nothing but SyntaxError at any bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => {
      const thrown = ((): unknown => {
        try {
          return decodeCall(bytes)
        } catch (error) {
          return error
        }
      })()
      expect(thrown instanceof Error ? thrown.name : 'none').toMatch(/^(SyntaxError|none)$/)
    }))
  })
})

describe('decodeReply()', () => {
  it('reads what encodeReply() wrote', () => {
    expect(decodeReply(encodeReply({ exitCode: 1, stdout: '{"msg":"ü"}\n' }))).toEqual({ exitCode: 1, stdout: '{"msg":"ü"}\n' })
  })
})
