import { flushCompileCache } from 'node:module'
import { realClock } from './clock.ts'
import type { Logger } from './logger.ts'

/** By then a program has loaded what it needs, and its start is over. */
const flushAfterMs = 5000

/** By custom of shells: 128 and the number of the signal. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const

/**
 * The life of a program: SIGTERM and SIGINT abort the signal, a second one ends the process at once. An error is one line
 * in the log and exit code 1, wherever it was thrown; an orderly stop is exit code 0. Ends the process.
 *
 * @param main Resolves when its work is done, or when the signal was aborted and all is put away.
 */
export async function runMain(logger: Logger, main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (signal.aborted) process.exit(exitCodes[name])
      logger.info({ signal: name }, 'stopping')
      controller.abort(new Error(`stopped by ${name}`))
    })
  }
  const fail = (error: unknown): void => {
    if (isAbort(error, signal)) return
    logger.error({ err: error }, 'stopped by an error')
    process.exit(1)
  }
  // Rejections that nobody handles arrive here too.
  process.on('uncaughtException', fail)
  // Node writes its compile cache at an orderly exit, and a program that is killed would compile anew for ever.
  void realClock.sleep(flushAfterMs, { signal }).then(flushCompileCache, () => undefined)
  try {
    await main(signal)
  } catch (error) {
    fail(error)
  }
  // Whatever handle is left over must not keep a stopped program alive.
  process.exit()
}

/** What a stop makes: the reason itself, or what Node and undici wrap it in. */
function isAbort(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && (error === signal.reason || (error instanceof Error && (error.name === 'AbortError' || error.cause === signal.reason)))
}
