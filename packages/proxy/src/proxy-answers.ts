import { type AdminAnswers, type Protocol, protocols, type ProxyCalls, type ProxyQuestion } from '@weft/api'
import { parseIp, parsePort } from '@weft/ip'
import { type ExplainQuestion, formatExplanation } from './explain.ts'
import type { ForeignKernel } from './leftovers.ts'
import type { Proxy } from './proxy.ts'
import { takeOver, tellLeftovers } from './takeover.ts'

/** What the proxy answers on an admin socket. */
export function proxyAnswers({ nft, proxy }: { readonly nft: ForeignKernel, readonly proxy: Pick<Proxy, 'dump' | 'explain' | 'settled' | 'whenReady'> }): AdminAnswers<ProxyCalls> {
  return {
    dumpProxy: () => proxy.dump(),
    explainProxy: async (question) => await explainInWords(proxy, question),
    proxyLeftovers: async () => await tellLeftovers({ nft }),
    takeOverProxy: async () => await takeOver({ nft, proxy }),
  }
}

/** @throws {SyntaxError} When the question cannot be read. */
export async function explainInWords(proxy: Pick<Proxy, 'explain'>, question: ProxyQuestion): Promise<string> {
  const explanation = await proxy.explain(readQuestion(question))
  return explanation === undefined ? 'not known yet: the first Services are not in the kernel\n' : formatExplanation(explanation)
}

function readQuestion({ to, protocol = 'TCP', from = '' }: ProxyQuestion): ExplainQuestion {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^[\]:]+)):(\d+)$/.exec(to) ?? []
  if (port === undefined) throw new SyntaxError(`Cannot explain "${to}": wanted an address and a port, e.g. 10.96.0.1:80 or [fd00::1]:80`)
  const ip = parseIp(bracketed ?? plain ?? '')
  const client = from === '' ? undefined : parseIp(from)
  if (client !== undefined && client.family !== ip.family) throw new SyntaxError(`Cannot explain "${to}" from "${from}": they are of two families, wanted one`)
  return { ip, port: parsePort(port), protocol: protocolOf(protocol), from: client }
}

function protocolOf(text: string): Protocol {
  const found = protocols.find((protocol) => protocol === text.toUpperCase())
  if (found === undefined) throw new SyntaxError(`Cannot explain protocol "${text}": wanted one of ${protocols.join(', ')}`)
  return found
}
