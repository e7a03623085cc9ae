import { durationMs, readFlags } from './arguments.ts'
import { type FailureWord, toFailure } from './failure.ts'
import { connectTcp } from './http-client.ts'
import { callUdp } from './udp.ts'

/** agnhost's `connect`: silent and 0 when somebody answers, else one word and 1. */
export async function connect(args: readonly string[]): Promise<number> {
  const { values, positionals: [target = ''] } = readFlags(args, ['timeout', 'protocol', 'sctp'])
  const colon = target.lastIndexOf(':')
  const host = target.slice(0, colon).replace(/^\[|\]$/g, '')
  const port = Number(target.slice(colon + 1))
  // As with agnhost, no timeout means the kernel's own.
  const timeout = durationMs(values['timeout'] ?? '') ?? 0
  const signal = timeout > 0 ? AbortSignal.timeout(timeout) : new AbortController().signal
  try {
    if (values['protocol'] === 'udp') await callUdp({ host, port, message: 'hostname', signal })
    else (await connectTcp({ host, port, signal })).destroy()
    return 0
  } catch (error) {
    const failure = toFailure(error)
    const plain: readonly FailureWord[] = ['TIMEOUT', 'REFUSED']
    process.stderr.write(plain.includes(failure.word) ? `${failure.word}\n` : `${failure.word}: ${failure.message}\n`)
    return 1
  }
}
