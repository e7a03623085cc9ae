import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeAttributes } from './attributes.ts'
import { decodeMessages } from './message.ts'
import { MessageWriter } from './writer.ts'

describe('MessageWriter', () => {
  it('startMessage() endMessage() write the header, the length and NLM_F_REQUEST', () => {
    const bytes = new MessageWriter().startMessage(18, 0x300, 7).putU8(0).putZeros(15).endMessage().bytes()
    expect(Buffer.from(bytes).toString('hex')).toBe(`20000000120001030700000000000000${'00'.repeat(16)}`)
  })

  it('attrString() ends with a zero byte and pads to four', () => {
    expect(Buffer.from(new MessageWriter().attrString(3, 'eth0').bytes()).toString('hex')).toBe('090003006574683000000000')
  })

  it('startNested() sets the flag and endNested() the length without padding', () => {
    const bytes = new MessageWriter().startNested(18).attrU16be(1, 0x1234).endNested().bytes()
    expect(Buffer.from(bytes).toString('hex')).toBe('0c0012800600010012340000')
  })

  it('attrU64() attrU64be() keep all bits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        const attributes = decodeAttributes(new MessageWriter().attrU64(1, value).attrU64be(2, value).bytes())
        expect(attributes.u64(1)).toBe(value)
        expect(attributes.u64be(2)).toBe(value)
      }),
    )
  })

  it('every attribute comes back as it was written, however many and whatever the nesting', () => {
    const attribute = fc.record({ type: fc.integer({ min: 1, max: 0x3fff }), value: fc.uint8Array({ maxLength: 80 }) })
    fc.assert(
      fc.property(fc.uniqueArray(attribute, { selector: ({ type }) => type, maxLength: 30 }), (list) => {
        const writer = new MessageWriter(1)
        writer.startMessage(1, 0, 1).startNested(9)
        for (const { type, value } of list) writer.attrBytes(type, value)
        const [message] = decodeMessages(writer.endNested().endMessage().bytes())
        const nested = decodeAttributes(message!.payload).nested(9)!
        for (const { type, value } of list) expect(Buffer.from(nested.bytes(type)!)).toEqual(Buffer.from(value))
        expect([...nested.types()]).toHaveLength(list.length)
      }),
    )
  })

  it('attrBytes() endNested() refuse what does not fit 16 bits of length', () => {
    expect(() => new MessageWriter().attrBytes(1, new Uint8Array(65_532))).toThrow(RangeError)
    const nested = new MessageWriter().startNested(1).attrBytes(1, new Uint8Array(65_000)).attrBytes(1, new Uint8Array(600))
    expect(() => nested.endNested()).toThrow(RangeError)
  })

  it('truncate() takes a message back and leaves zeros', () => {
    const writer = new MessageWriter().putU32(1)
    writer.startMessage(1, 0, 1).attrU32(1, 0xffff_ffff)
    expect(writer.truncate(4).length).toBe(4)
    expect(Buffer.from(writer.putZeros(8).bytes()).toString('hex')).toBe('01000000' + '00'.repeat(8))
  })
})
