import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { decodeInterfaceAddress } from './address.ts'
import { decodeAttributes } from './attributes.ts'
import { decodeConntrackEntry } from './conntrack-entry.ts'
import { NetlinkDecodeError } from './errors.ts'
import { decodeLink } from './link.ts'
import { decodeAck, decodeMessages } from './message.ts'
import type { NetlinkMessage } from './message.ts'
import { decodeFdbEntry, decodeNeighbour } from './neighbour.ts'
import { NLMSG_ERROR, NLM_F_ACK_TLVS } from './netlink-protocol.ts'
import { readPacketHead } from './packet-head.ts'
import { decodeLoggedPacket } from './packet-log.ts'
import { decodeTokenBucket } from './qdisc.ts'
import { decodeRouteEvent } from './route-event.ts'
import { decodeRoute } from './route.ts'
import { decodeRule } from './rule.ts'
import { guardedBytes, unguarded } from './testing/guarded-bytes.ts'
import { recordedTables } from './testing/recorded-tables.ts'
import { fromHex, messagesOf, readRecording } from './testing/recording.ts'

// The same every time; another one with FUZZ_SEED=….
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_130)

/** What every decoder is fed with in turn; the message's type is of no account to most. */
const decoders: Readonly<Record<string, (payload: Uint8Array, type: number) => unknown>> = {
  decodeMessages: (payload) => decodeMessages(payload),
  decodeAttributes: (payload) => decodeAttributes(payload, 4),
  readPacketHead: (payload) => readPacketHead(payload),
  ...Object.fromEntries(
    Object.entries({ decodeAck, decodeLink, decodeInterfaceAddress, decodeRoute, decodeRule, decodeNeighbour, decodeFdbEntry, decodeConntrackEntry, decodeLoggedPacket, decodeRouteEvent, decodeTokenBucket }).map(([name, decode]) => [
      name,
      (payload: Uint8Array, type: number): unknown => decode({ type, flags: NLM_F_ACK_TLVS, sequence: 1, port: 0, payload }),
    ]),
  ),
}

/** One recorded message of each kind and shape: those of a table differ enough in length to tell. */
const recorded: readonly (readonly [string, NetlinkMessage, (message: NetlinkMessage) => unknown])[] = recordedTables.flatMap(({ name, decode }) => {
  const byLength = new Map(messagesOf(readRecording(name)).map((message) => [message.payload.length, message]))
  return [...byLength.values()].map((message) => [`${name}, ${message.payload.length} bytes`, message, decode] as const)
})

describe('every decoder', () => {
  beforeAll(() => {
    // Text is decoded by a built-in function, which looks no further than the view it is given.
    const decode = TextDecoder.prototype.decode
    vi.spyOn(TextDecoder.prototype, 'decode').mockImplementation(function (this: TextDecoder, bytes) {
      return decode.call(this, bytes === undefined ? undefined : unguarded(bytes as Uint8Array))
    })
  })

  afterAll(() => vi.restoreAllMocks())

  it.each(Object.entries(decoders))('%s() of any bytes gives a value or throws NetlinkDecodeError, and reads no byte outside', (_name, decode) => {
    const attribute = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.uint8Array({ maxLength: 40 })).map(([type, value]) => {
      const bytes = Buffer.alloc((4 + value.length + 3) & ~3)
      bytes.writeUInt16LE(4 + value.length, 0)
      bytes.writeUInt16LE(type, 2)
      bytes.set(value, 4)
      return bytes
    })
    const shaped = fc.tuple(fc.constantFrom(2, 7, 10, 0x45, 0x60), fc.uint8Array({ minLength: 3, maxLength: 15 }), fc.array(attribute, { maxLength: 12 })).map(([family, head, list]) => Buffer.concat([Buffer.from([family]), head, ...list]))
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), shaped), fc.integer({ min: 1, max: 60 }), (bytes, type) => {
      expect(faultOf(() => decode(guardedBytes(Uint8Array.from(bytes)), type))).toBeUndefined()
    }), { numRuns: 500, seed })
  })

  it.each(recorded)('reads %s, cut short anywhere, or refuses', (_name, message, decode) => {
    for (let length = 0; length < message.payload.length; length++) expect(faultOf(() => decode({ ...message, payload: guardedBytes(message.payload.slice(0, length)) }))).toBeUndefined()
  })

  it.each(recorded)('reads %s with any bit flipped, or refuses', (_name, message, decode) => {
    // A bit or two of each byte where there are a thousand: the counters and settings of a link.
    const step = message.payload.length > 500 ? 7 : 1
    for (let bit = 0; bit < message.payload.length * 8; bit += step) {
      const payload = message.payload.slice()
      payload[bit >> 3]! ^= 1 << (bit & 7)
      expect(faultOf(() => decode({ ...message, payload }))).toBeUndefined()
    }
  })

  it.each(recorded)('reads %s with lengths, types and values made up, or refuses', (_name, message, decode) => {
    const change = fc.record({ at: fc.nat(message.payload.length - 1), value: fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 1, 3, 4, 5, 0xffff)), wide: fc.boolean() })
    fc.assert(fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
      const payload = message.payload.slice()
      for (const { at, value, wide } of changes) {
        // Lengths and types of attributes lie on even bytes and have two.
        payload[wide ? at & ~1 : at] = value
        if (wide) payload[(at & ~1) + 1] = value >> 8
      }
      expect(faultOf(() => decode({ ...message, payload: guardedBytes(payload) }))).toBeUndefined()
    }), { numRuns: 100, seed })
  })

  it('splits recorded datagrams, cut short anywhere or with made-up lengths, or refuses', () => {
    const datagram = fromHex(readRecording('routes-ipv4').datagrams[0]!)
    for (let length = 0; length < datagram.length; length++) expect(faultOf(() => decodeMessages(guardedBytes(datagram.slice(0, length))))).toBeUndefined()
    fc.assert(fc.property(fc.nat(datagram.length - 4), fc.nat(0xffff_ffff), (at, value) => {
      const bytes = Buffer.from(datagram)
      bytes.writeUInt32LE(value, at)
      expect(faultOf(() => decodeMessages(guardedBytes(Uint8Array.from(bytes))).map((message) => decodeRoute(message)))).toBeUndefined()
    }), { numRuns: 200, seed })
  })

  it('reads a recorded refusal, cut short anywhere or with made-up lengths, or refuses', () => {
    const [refusal] = decodeMessages(fromHex(readRecording('refusal').datagrams[0]!))
    expect(decodeAck(refusal!)).toMatchObject({ errno: 22, kernelMessage: 'mtu less than device minimum' })
    for (let length = 0; length < refusal!.payload.length; length++) expect(faultOf(() => decodeAck({ ...refusal!, type: NLMSG_ERROR, payload: guardedBytes(refusal!.payload.slice(0, length)) }))).toBeUndefined()
    fc.assert(fc.property(fc.nat(refusal!.payload.length - 1), fc.nat(255), (at, value) => {
      const payload = refusal!.payload.slice()
      payload[at] = value
      expect(faultOf(() => decodeAck({ ...refusal!, payload: guardedBytes(payload) }))).toBeUndefined()
    }), { numRuns: 1000, seed })
  })
})

/** What an action throws, but for the package's own refusal. */
function faultOf(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error instanceof NetlinkDecodeError ? undefined : error
  }
}
