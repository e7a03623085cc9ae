import { setTimeout as sleep } from 'node:timers/promises'
import type { ContainerProcess } from './container-process.ts'

/** A program may take as long as this to get ready for signals on a busy machine. */
const startMs = 5000
const repeatMs = 1000

/**
 * SIGTERM. The kernel drops it when PID 1 has no handler for it yet, and Node swallows one that comes before the program's own
 * handler is there: a container that is told while it starts is told again when it has learned to listen, and if that was not seen.
 */
export async function tellToEnd(process: ContainerProcess, deadline: AbortSignal): Promise<void> {
  const over = AbortSignal.any([deadline, aborted(process.ended)])
  const isStarting = (): boolean => performance.now() - process.startedAt < startMs
  let isDeaf = process.hears('SIGTERM') === false
  let toldAt = performance.now()
  process.signal('SIGTERM')
  while (!over.aborted) {
    await sleep(isStarting() ? 10 : 200, undefined, { signal: over }).catch(() => undefined)
    const hears = process.hears('SIGTERM')
    if (hears === undefined) return
    if (hears && (isDeaf || (isStarting() && performance.now() - toldAt > repeatMs))) {
      process.signal('SIGTERM')
      toldAt = performance.now()
    }
    isDeaf = !hears
  }
}

/** A signal that aborts when a promise resolves. */
function aborted(promise: Promise<unknown>): AbortSignal {
  const controller = new AbortController()
  void promise.then(() => controller.abort())
  return controller.signal
}
