import type { Logger } from './logger.ts'

/**
 * The life of a program: SIGTERM and SIGINT abort the signal, a second one ends the process at once; an error that nobody
 * caught is one line in the log and exit code 1.
 *
 * @param main Resolves when the signal was aborted and all is put away.
 */
export async function runMain(logger: Logger, main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + (name === 'SIGINT' ? 2 : 15))
      logger.info({ signal: name }, 'stopping')
      controller.abort(new Error(`stopped by ${name}`))
    })
  }
  try {
    await main(controller.signal)
  } catch (error) {
    if (!controller.signal.aborted) {
      logger.error({ err: error }, 'stopped by an error')
      process.exitCode = 1
    }
  }
  // Whatever handle is left over must not keep a stopped program alive.
  process.exit()
}
