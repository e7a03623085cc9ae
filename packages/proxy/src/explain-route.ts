import { type Protocol, protocols } from '@weft/api'
import { parseIp, parsePort } from '@weft/ip'
import { type ExplainQuestion, formatExplanation } from './explain.ts'
import type { Proxy } from './proxy.ts'

/**
 * Answers `/explain/proxy?to=10.96.0.1:80&protocol=TCP&from=10.244.0.9` on an admin socket, as text.
 *
 * @throws {SyntaxError} When the question cannot be read.
 */
export function explainRoute(proxy: Pick<Proxy, 'explain'>): (url: URL) => string {
  return ({ searchParams }) => {
    const explanation = proxy.explain(readQuestion(searchParams))
    return explanation === undefined ? 'not known yet: the first Services are not in the kernel\n' : formatExplanation(explanation)
  }
}

function readQuestion(parameters: URLSearchParams): ExplainQuestion {
  const to = parameters.get('to') ?? ''
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^[\]:]+)):(\d+)$/.exec(to) ?? []
  if (port === undefined) throw new SyntaxError(`Cannot explain "${to}": wanted an address and a port, e.g. 10.96.0.1:80 or [fd00::1]:80`)
  const protocol = protocolOf(parameters.get('protocol') ?? 'TCP')
  const from = parameters.get('from')
  const ip = parseIp(bracketed ?? plain ?? '')
  const client = from === null || from === '' ? undefined : parseIp(from)
  if (client !== undefined && client.family !== ip.family) throw new SyntaxError(`Cannot explain "${to}" from "${from}": they are of two families, wanted one`)
  return { ip, port: parsePort(port), protocol, from: client }
}

function protocolOf(text: string): Protocol {
  const found = protocols.find((protocol) => protocol === text.toUpperCase())
  if (found === undefined) throw new SyntaxError(`Cannot explain protocol "${text}": wanted one of ${protocols.join(', ')}`)
  return found
}
