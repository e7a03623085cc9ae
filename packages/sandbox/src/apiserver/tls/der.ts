// Read first: ITU-T X.690 §8 and §10 (DER). Only what a certificate needs is here: a library for it costs 100-140 ms to import,
// which is most of the server's start; writing these bytes costs nothing.

/** Bytes of one DER value. */
export type Der = Uint8Array

function encode(tag: number, ...contents: readonly Uint8Array[]): Der {
  const body = Buffer.concat(contents)
  if (body.length < 0x80) return Buffer.concat([Uint8Array.of(tag, body.length), body])
  const length: number[] = []
  for (let rest = body.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff)
  return Buffer.concat([Uint8Array.of(tag, 0x80 | length.length, ...length), body])
}

export function sequence(...items: readonly Der[]): Der {
  return encode(0x30, ...items)
}

export function set(...items: readonly Der[]): Der {
  return encode(0x31, ...items)
}

/** @param bytes Big-endian and positive; a zero octet is put in front when the top bit is set. */
export function integer(bytes: Uint8Array): Der {
  return (bytes[0] ?? 0) >= 0x80 ? encode(0x02, Uint8Array.of(0), bytes) : encode(0x02, bytes)
}

export function boolean(value: boolean): Der {
  return encode(0x01, Uint8Array.of(value ? 0xff : 0))
}

/** @param unusedBits Bits at the end of the last octet that do not count. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Der {
  return encode(0x03, Uint8Array.of(unusedBits), bytes)
}

export function octetString(bytes: Uint8Array): Der {
  return encode(0x04, bytes)
}

export function utf8String(text: string): Der {
  return encode(0x0c, Buffer.from(text))
}

/** @param text E.g. `1.2.840.10045.4.3.2`. */
export function objectIdentifier(text: string): Der {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const octets: number[] = []
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc & 0x7f]
    for (let more = Math.floor(arc / 128); more > 0; more = Math.floor(more / 128)) groups.unshift((more & 0x7f) | 0x80)
    octets.push(...groups)
  }
  return encode(0x06, Uint8Array.from(octets))
}

/** RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime after. */
export function time(moment: Date): Der {
  const digits = moment.toISOString().replaceAll(/[-:T]|\.\d+/gu, '')
  return moment.getUTCFullYear() < 2050 ? encode(0x17, Buffer.from(digits.slice(2))) : encode(0x18, Buffer.from(digits))
}

/** A context-specific tag around or instead of another one. */
export function tagged(number: number, contents: Uint8Array, form: 'constructed' | 'primitive' = 'constructed'): Der {
  return encode((form === 'constructed' ? 0xa0 : 0x80) | number, contents)
}
