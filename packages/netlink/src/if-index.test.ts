import { describe, expect, it } from 'vitest'
import { NetlinkDecodeError } from './errors.ts'
import { decodeIfIndex, decodeIfIndexMaybe } from './if-index.ts'

describe('decodeIfIndex() decodeIfIndexMaybe()', () => {
  it('read what the kernel counts', () => {
    expect([decodeIfIndex(1), decodeIfIndexMaybe(0x7fff_ffff)]).toEqual([1, 0x7fff_ffff])
  })

  it('read 0 as no link where there may be none', () => {
    expect([decodeIfIndexMaybe(0), decodeIfIndexMaybe(undefined)]).toEqual([undefined, undefined])
    expect(() => decodeIfIndex(0)).toThrow(NetlinkDecodeError)
  })

  it('refuse what is negative in the kernel', () => {
    for (const decode of [decodeIfIndex, decodeIfIndexMaybe]) expect(() => decode(0x8000_0000)).toThrow(NetlinkDecodeError)
  })
})
