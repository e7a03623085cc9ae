import type { Clock } from '@weft/daemon'
import { expired } from './status.ts'
import type { Watch } from './verbs/watch.ts'

/** All watches being served: they share one timer for bookmarks and end together. */
export class RunningWatches {
  readonly #watches = new Set<Watch>()

  add(watch: Watch): void {
    this.#watches.add(watch)
  }

  remove(watch: Watch): void {
    this.#watches.delete(watch)
  }

  get size(): number {
    return this.#watches.size
  }

  /** Ends every watch with an ERROR event of 410. */
  expireAll(): void {
    for (const watch of this.#watches) watch.fail(expired('too old resource version: the history was forgotten'))
  }

  /** Ends every watch without an error. */
  finishAll(): void {
    for (const watch of this.#watches) watch.finish()
  }

  /** Sends bookmarks until aborted. @param intervalMs Between two bookmarks of one watch. */
  async run(clock: Clock, intervalMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await clock.sleep(intervalMs, { signal })
      } catch {
        return
      }
      for (const watch of this.#watches) watch.bookmark()
    }
  }
}
