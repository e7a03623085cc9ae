import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NetlinkDecodeError } from './errors.ts'
import { decodeLink } from './link.ts'
import { decodeAck, decodeMessages, encodeMessage } from './message.ts'
import { NLMSG_DONE, NLMSG_ERROR, NLM_F_ACK_TLVS, NLM_F_CAPPED } from './netlink-protocol.ts'
import { fromHex, readRecording } from './testing/recording.ts'

const recordedLinks = fromHex(readRecording('links').datagrams[0]!)
const recordedError = fromHex(readRecording('refusal').datagrams[0]!)

describe('decodeMessages()', () => {
  it('splits a recorded dump into its messages', () => {
    const messages = decodeMessages(recordedLinks)
    expect(new Set(messages.map(({ type, sequence }) => `${type} ${sequence}`)).size).toBe(1)
    expect(messages.map((message) => decodeLink(message).name)).toEqual(expect.arrayContaining(['lo', 'v0', 'v1']))
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
