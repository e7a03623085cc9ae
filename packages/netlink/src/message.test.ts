import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeInterfaceAddress } from './address.ts'
import { decodeAttributes } from './attributes.ts'
import { decodeConntrackEntry } from './conntrack-entry.ts'
import { NetlinkDecodeError } from './errors.ts'
import { decodeLink } from './link.ts'
import { decodeAck, decodeMessages, encodeMessage } from './message.ts'
import { decodeFdbEntry, decodeNeighbour } from './neighbour.ts'
import { NLMSG_DONE, NLMSG_ERROR, NLM_F_ACK_TLVS, NLM_F_CAPPED } from './netlink-protocol.ts'
import { decodeRoute } from './route.ts'
import { decodeRule } from './rule.ts'
import { recordedError, recordedLinks } from './testing/recorded.ts'

describe('decodeMessages()', () => {
  it('splits a recorded dump into its messages', () => {
    const messages = decodeMessages(recordedLinks)
    expect(messages.map(({ type, sequence }) => ({ type, sequence }))).toEqual([{ type: 16, sequence: 5 }, { type: 16, sequence: 5 }])
    expect(messages.map((message) => decodeLink(message).name)).toEqual(['lo', 'eth0'])
  })

  it('encodeMessage() is its inverse', () => {
    const message = fc.record({
      type: fc.nat(0xffff),
      flags: fc.nat(0xffff),
      sequence: fc.nat(0xffff_ffff),
      port: fc.nat(0xffff_ffff),
      payload: fc.uint8Array({ maxLength: 100 }),
    })
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
        const decoded = decodeMessages(Buffer.concat(messages.map(encodeMessage)))
        expect(decoded.map((one) => ({ ...one, payload: [...one.payload] }))).toEqual(messages.map((one) => ({ ...one, payload: [...one.payload] })))
      }),
    )
  })

  it('refuses what is cut short', () => {
    for (const length of [1, 15, 17, recordedLinks.length - 1]) expect(() => decodeMessages(recordedLinks.subarray(0, length))).toThrow(NetlinkDecodeError)
  })
})

describe('decodeAck()', () => {
  it('reads errno and the kernel’s words from a recorded error', () => {
    expect(decodeAck(decodeMessages(recordedError)[0]!)).toEqual({ errno: 22, kernelMessage: 'mtu less than device minimum', offset: undefined })
  })

  it('finds the attributes behind a request that was sent back whole', () => {
    const request = Buffer.alloc(20)
    request.writeUInt32LE(20)
    const offset = Buffer.from('0800020024000000', 'hex')
    const payload = Buffer.concat([Buffer.from('eaffffff', 'hex'), request, offset])
    const ack = { type: NLMSG_ERROR, flags: NLM_F_ACK_TLVS, sequence: 1, port: 0, payload }
    expect(decodeAck(ack)).toMatchObject({ errno: 22, offset: 36 })
    expect(() => decodeAck({ ...ack, payload: payload.subarray(0, 21) })).toThrow(NetlinkDecodeError)
    expect(decodeAck({ ...ack, flags: NLM_F_ACK_TLVS | NLM_F_CAPPED, payload: Buffer.concat([payload.subarray(0, 20), offset]) })).toMatchObject({ errno: 22, offset: 36 })
  })

  it('takes a bare end of dump for success', () => {
    expect(decodeAck({ type: NLMSG_DONE, flags: 2, sequence: 1, port: 0, payload: new Uint8Array(0) }).errno).toBe(0)
  })
})

describe('every decoder', () => {
  const decoders = {
    decodeMessages: (bytes: Uint8Array) => decodeMessages(bytes),
    decodeAttributes: (bytes: Uint8Array) => decodeAttributes(bytes, 4),
    ...Object.fromEntries(
      Object.entries({ decodeAck, decodeLink, decodeInterfaceAddress, decodeRoute, decodeRule, decodeNeighbour, decodeFdbEntry, decodeConntrackEntry }).map(([name, decode]) => [
        name,
        (payload: Uint8Array): unknown => decode({ type: 2, flags: NLM_F_ACK_TLVS, sequence: 1, port: 0, payload }),
      ]),
    ),
  }

  it.each(Object.entries(decoders))('%s() of any bytes gives a value or throws NetlinkDecodeError', (_name, decode) => {
    const attribute = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.uint8Array({ maxLength: 40 })).map(([type, value]) => {
      const bytes = Buffer.alloc((4 + value.length + 3) & ~3)
      bytes.writeUInt16LE(4 + value.length, 0)
      bytes.writeUInt16LE(type, 2)
      bytes.set(value, 4)
      return bytes
    })
    const shaped = fc.tuple(fc.constantFrom(2, 7, 10), fc.uint8Array({ minLength: 3, maxLength: 15 }), fc.array(attribute, { maxLength: 12 })).map(([family, head, list]) => Buffer.concat([Buffer.from([family]), head, ...list]))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), shaped), (bytes) => {
        expect(thrownBy(() => decode(bytes))).toSatisfy(isNothingOrDecodeError)
      }),
      { numRuns: 500 },
    )
  })

  it('survives any flip of a recorded message', () => {
    fc.assert(
      fc.property(fc.nat(recordedLinks.length - 1), fc.nat(255), (at, value) => {
        const bytes = Uint8Array.from(recordedLinks)
        bytes[at] = value
        expect(thrownBy(() => decodeMessages(bytes).map(decodeLink))).toSatisfy(isNothingOrDecodeError)
      }),
      { numRuns: 1000 },
    )
  })
})

function thrownBy(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error
  }
}

function isNothingOrDecodeError(error: unknown): boolean {
  return error === undefined || error instanceof NetlinkDecodeError
}
