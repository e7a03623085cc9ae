declare const brand: unique symbol

/** A transport port from 1 to 65535. */
export type Port = number & { readonly [brand]: 'Port' }

/** @throws {SyntaxError} */
export function parsePort(text: string): Port {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new SyntaxError(`Cannot parse port "${text}": wanted 1 to 65535`)
  return port as Port
}
