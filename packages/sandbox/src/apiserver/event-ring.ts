/** The newest events of a sequence, oldest overwritten first. Revisions must rise. */
export class EventRing<E extends { readonly revision: number }> {
  readonly #capacity: number
  readonly #events: E[] = []
  #start = 0
  /** Revision of the newest event that was overwritten; everything after it is here. */
  #forgotten = 0

  /** @param capacity How many events are kept. */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  push(event: E): void {
    if (this.#events.length < this.#capacity) {
      this.#events.push(event)
      return
    }
    this.#forgotten = this.#events[this.#start]!.revision
    this.#events[this.#start] = event
    this.#start = (this.#start + 1) % this.#capacity
  }

  /** Forgets everything up to and including `revision`. */
  forget(revision: number): void {
    this.#forgotten = Math.max(this.#forgotten, revision)
  }

  /** All events after `revision`, oldest first, or undefined when some are forgotten. */
  after(revision: number): readonly E[] | undefined {
    if (revision < this.#forgotten) return undefined
    const events = this.#events
    let low = 0
    let high = events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (events[(this.#start + middle) % events.length]!.revision <= revision) low = middle + 1
      else high = middle
    }
    const found: E[] = []
    for (let index = low; index < events.length; index++) found.push(events[(this.#start + index) % events.length]!)
    return found
  }
}
