import { isIP } from 'node:net'

/** agnhost's words for why a connection failed. */
export type FailureWord = 'REFUSED' | 'TIMEOUT' | 'DNS' | 'OTHER'

export class ProbeFailure extends Error {
  override readonly name = 'ProbeFailure'
  readonly word: FailureWord

  constructor(word: FailureWord, message: string) {
    super(message)
    this.word = word
  }
}

/** The parts of a system error; other things thrown have only a message. */
export function systemError(error: unknown): NodeJS.ErrnoException {
  return error instanceof Error ? error : new Error(String(error))
}

/** Sorts anything thrown by a socket, a resolver or an abort. */
export function toFailure(error: unknown): ProbeFailure {
  if (error instanceof ProbeFailure) return error
  const { code, message, name, syscall } = systemError(error)
  if (name === 'TimeoutError' || code === 'ETIMEDOUT') return new ProbeFailure('TIMEOUT', 'no answer in time')
  if (code === 'ECONNREFUSED' && syscall !== 'getaddrinfo' && !syscall?.startsWith('query')) return new ProbeFailure('REFUSED', message)
  if (syscall === 'getaddrinfo' || syscall?.startsWith('query') === true) return new ProbeFailure('DNS', message)
  return new ProbeFailure('OTHER', message)
}

/**
 * Resolves as other programs of the pod do: getaddrinfo, hence resolv.conf with its search list and hosts.
 *
 * @throws {ProbeFailure} DNS
 */
export async function resolveHost(host: string, signal: AbortSignal): Promise<{ readonly address: string, readonly family: 4 | 6 }> {
  const literal = isIP(host)
  if (literal !== 0) return { address: host, family: literal === 6 ? 6 : 4 }
  const { lookup } = await import('node:dns/promises')
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(new ProbeFailure('DNS', `no answer about ${host} in time`))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    const { address, family } = await Promise.race([lookup(host, { verbatim: true }), aborted])
    return { address, family: family === 6 ? 6 : 4 }
  } catch (error) {
    throw new ProbeFailure('DNS', systemError(error).message)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
