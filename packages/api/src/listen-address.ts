import { parseIp } from '@weft/ip'
import { z } from 'zod'

/** An address of the node, or of a server, with a port. */
export interface ListenAddress {
  readonly address: string
  readonly port: number
}

/** An address with an optional port, e.g. `10.0.0.53` or `[fd00::53]:5353`. */
export function listenAddressSchema(defaultPort: number): z.ZodType<ListenAddress, string> {
  return z.string().transform((text, context) => {
    const parsed = parseListenAddress(text, defaultPort)
    if (parsed !== undefined) return parsed
    context.addIssue({ code: 'custom', message: `"${text}" is not an address with an optional port` })
    return z.NEVER
  })
}

/** `10.0.0.53`, `10.0.0.53:5353`, `fd00::53`, `[fd00::53]:5353`. */
function parseListenAddress(text: string, defaultPort: number): ListenAddress | undefined {
  const match = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^:]+))(?::(?<port>\d{1,5}))?$/.exec(text)
  const address = match === null ? text : (match.groups?.['bracketed'] ?? match.groups?.['plain'] ?? '')
  const port = Number(match?.groups?.['port'] ?? defaultPort)
  // Port 0 means "any free one", for tests.
  if (port > 65_535) return undefined
  try {
    parseIp(address)
    return { address, port }
  } catch {
    return undefined
  }
}
