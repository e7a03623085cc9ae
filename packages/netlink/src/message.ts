import { Attributes, readU16, readU32 } from './attributes.ts'
import { NetlinkDecodeError } from './errors.ts'
import { NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS, NLMSG_DONE, NLMSG_ERROR, NLMSG_HEADER_LENGTH, NLM_F_ACK_TLVS, NLM_F_CAPPED, align4 } from './netlink-protocol.ts'
import { MessageWriter } from './writer.ts'

/** A message as the kernel sent it. */
export interface NetlinkMessage {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly port: number
  /** What follows the 16 header bytes: a view, shared with the other messages of the same datagram. */
  readonly payload: Uint8Array
}

/** A request to be sent. Sequence, port and NLM_F_REQUEST | NLM_F_ACK are the socket's business. */
export interface NetlinkRequest {
  /** What this does, verb first, for error messages: `add link "eth0"`. */
  readonly operation: string
  readonly type: number
  readonly flags: number
  /** Family header and attributes. */
  readonly payload: Uint8Array
}

/** What an NLMSG_ERROR (or the end of a dump) says. */
export interface NetlinkAck {
  /** 0 for success, else a positive errno. */
  readonly errno: number
  readonly kernelMessage: string | undefined
  readonly offset: number | undefined
}

/**
 * Splits a datagram into messages.
 *
 * @throws {NetlinkDecodeError} If a message is shorter than its header or longer than what is left.
 */
export function decodeMessages(bytes: Uint8Array): NetlinkMessage[] {
  const messages: NetlinkMessage[] = []
  let at = 0
  while (bytes.length - at >= NLMSG_HEADER_LENGTH) {
    const length = readU32(bytes, at)
    if (length < NLMSG_HEADER_LENGTH || length > bytes.length - at) throw new NetlinkDecodeError(`message at ${at}: its length is ${length}, ${bytes.length - at} bytes are left`)
    messages.push({
      type: readU16(bytes, at + 4),
      flags: readU16(bytes, at + 6),
      sequence: readU32(bytes, at + 8),
      port: readU32(bytes, at + 12),
      payload: bytes.subarray(at + NLMSG_HEADER_LENGTH, at + length),
    })
    // The last message of a datagram may lack its padding.
    at += align4(length)
  }
  if (at < bytes.length) throw new NetlinkDecodeError(`message at ${at}: ${bytes.length - at} bytes are no header`)
  return messages
}

/** Encodes one message, header included. */
export function encodeMessage(message: NetlinkMessage): Uint8Array {
  const out = new MessageWriter(NLMSG_HEADER_LENGTH + message.payload.length)
    .putU32(NLMSG_HEADER_LENGTH + message.payload.length)
    .putU16(message.type)
    .putU16(message.flags)
    .putU32(message.sequence)
    .putU32(message.port)
    .putBytes(message.payload)
  return out.putZeros(align4(out.length) - out.length).bytes()
}

/** Whether a message is the last one of an answer. */
export function isTerminal(message: NetlinkMessage): boolean {
  return message.type === NLMSG_ERROR || message.type === NLMSG_DONE
}

/**
 * Reads an NLMSG_ERROR or NLMSG_DONE, with the extended acknowledgement if there is one.
 *
 * @throws {NetlinkDecodeError} If the payload is too short for what it claims to hold.
 */
export function decodeAck(message: NetlinkMessage): NetlinkAck {
  const { payload } = message
  // A dump may end with a bare NLMSG_DONE.
  if (message.type === NLMSG_DONE && payload.length < 4) return { errno: 0, kernelMessage: undefined, offset: undefined }
  if (payload.length < 4) throw new NetlinkDecodeError(`acknowledgement: its payload has ${payload.length} bytes, wanted 4`)
  // Subtracted, not negated: success is 0 and not -0.
  const errno = 0 - (readU32(payload, 0) | 0)
  if (errno < 0) throw new NetlinkDecodeError(`acknowledgement: its error is ${-errno}, wanted 0 or a negative number`)
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return { errno, kernelMessage: undefined, offset: undefined }
  const attributes = new Attributes(payload, ackAttributesAt(message), payload.length)
  return { errno, kernelMessage: attributes.string(NLMSGERR_ATTR_MSG), offset: attributes.u32(NLMSGERR_ATTR_OFFS) }
}

/** struct nlmsgerr: the error, the header of the request and, unless capped, its payload. */
function ackAttributesAt(message: NetlinkMessage): number {
  const { payload } = message
  if (message.type === NLMSG_DONE) return 4
  if (payload.length < 4 + NLMSG_HEADER_LENGTH) throw new NetlinkDecodeError(`acknowledgement: its payload has ${payload.length} bytes, wanted ${4 + NLMSG_HEADER_LENGTH}`)
  const copied = (message.flags & NLM_F_CAPPED) === 0 && readU32(payload, 0) !== 0
  const length = copied ? readU32(payload, 4) : NLMSG_HEADER_LENGTH
  const start = 4 + align4(length)
  // The length first: aligned, one of nearly 4 GiB is a small number.
  if (length > payload.length || start > payload.length) throw new NetlinkDecodeError(`acknowledgement: its attributes start at ${start}, it ends at ${payload.length}`)
  return start
}
