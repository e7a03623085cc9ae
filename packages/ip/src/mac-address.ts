declare const brand: unique symbol

/** Six bytes as lower-case hex with colons, e.g. `02:00:5e:00:53:01`. */
export type MacAddress = string & { readonly [brand]: 'MacAddress' }

/**
 * Parses six pairs of hex digits with colons; upper case is accepted and lowered.
 *
 * @throws {SyntaxError}
 */
export function parseMac(text: string): MacAddress {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) throw new SyntaxError(`Cannot parse MAC address "${text}": wanted six pairs of hex digits, e.g. 02:00:5e:00:53:01`)
  return text.toLowerCase() as MacAddress
}

export function macToBytes(mac: MacAddress): Uint8Array {
  return Uint8Array.from(mac.split(':'), (pair) => Number.parseInt(pair, 16))
}

/** @throws {RangeError} If there are not six bytes. */
export function macFromBytes(bytes: Uint8Array): MacAddress {
  if (bytes.length !== 6) throw new RangeError(`Cannot build MAC address from ${bytes.length} bytes: wanted 6`)
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':') as MacAddress
}
