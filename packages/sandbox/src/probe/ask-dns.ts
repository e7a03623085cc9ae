import { Resolver, lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { DnsAskType } from './question.ts'
import { ProbeFailure, systemError } from './failure.ts'

/**
 * Asks the resolver of the place. c-ares reads resolv.conf's servers but not its search list, so full names are expected
 * except for `lookup`.
 *
 * @returns Records sorted and joined by commas; a lookup's addresses in the order they came.
 * @throws {ProbeFailure} DNS with the resolver's code (ENOTFOUND, ENODATA, ESERVFAIL), TIMEOUT without an answer.
 */
export async function askDns(name: string, type: DnsAskType, signal: AbortSignal): Promise<string> {
  const resolver = new Resolver({ tries: 1, timeout: 60_000 })
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => {
    reject(new ProbeFailure('TIMEOUT', `no answer about ${name} in time`))
    resolver.cancel()
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    const records = await Promise.race([query(resolver, name, type), aborted])
    return (type === 'lookup' ? records : records.sort()).join(',')
  } catch (error) {
    if (error instanceof ProbeFailure) throw error
    const { code, message } = systemError(error)
    throw new ProbeFailure(code === 'ETIMEOUT' ? 'TIMEOUT' : 'DNS', message)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function query(resolver: Resolver, name: string, type: DnsAskType): Promise<string[]> {
  switch (type) {
    case 'lookup': return (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address)
    case 'A': return await resolver.resolve4(name)
    case 'AAAA': return await resolver.resolve6(name)
    case 'CNAME': return await resolver.resolveCname(name)
    case 'TXT': return (await resolver.resolveTxt(name)).map((parts) => parts.join(''))
    case 'PTR': return isIP(name) === 0 ? await resolver.resolvePtr(name) : await resolver.reverse(name)
    case 'SRV': return (await resolver.resolveSrv(name)).map((record) => `${record.priority} ${record.weight} ${record.port} ${record.name}`)
    default: throw new ProbeFailure('OTHER', `unknown record type: ${JSON.stringify(type satisfies never)}`)
  }
}
