/** Aborted by Ctrl-C and SIGTERM, so that a command can put its things away. A second one ends the process. */
export function untilInterrupted(): AbortSignal {
  const controller = new AbortController()
  const interrupt = (): void => controller.abort(new Error('interrupted'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  return controller.signal
}
