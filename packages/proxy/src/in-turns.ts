import { setImmediate } from 'node:timers/promises'
import type { Clock } from '@weft/daemon'

/** How long the event loop is held up at a time, in milliseconds: timers, watches and DNS failover go on between. */
const turnMs = 20

/** Runs a long computation in short turns. It yields wherever it may be interrupted, the oftener the better. */
export async function inTurns<R>(work: Generator<void, R>, { clock, signal }: { readonly clock: Clock, readonly signal: AbortSignal }): Promise<R> {
  for (let began = clock.now(); ;) {
    const step = work.next()
    if (step.done === true) return step.value
    if (clock.now() - began < turnMs) continue
    await setImmediate()
    signal.throwIfAborted()
    began = clock.now()
  }
}
