/** Runs jobs of one key one after the other, jobs of different keys at the same time (CNI-11, fault 16). */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>()

  /** Jobs of a key run in the order of these calls; one that fails does not stop the next. */
  async run<T>(key: string, job: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const mine = before.then(job, job)
    const tail = mine.then(() => undefined, () => undefined)
    this.#tails.set(key, tail)
    try {
      return await mine
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    }
  }

  /** Whether a job of the key runs or waits. */
  has(key: string): boolean {
    return this.#tails.has(key)
  }

  /** Keys with a job running or waiting. */
  get size(): number {
    return this.#tails.size
  }
}
