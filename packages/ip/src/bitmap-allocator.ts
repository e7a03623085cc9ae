/**
 * Hands out numbers from 0 to `size - 1`, each once. A search that starts after the number given last (round robin) ends
 * in a step or two; 32 numbers are looked at in each.
 */
export class BitmapAllocator {
  readonly size: number
  readonly #words: Uint32Array
  #free: number

  /** @throws {RangeError} If `size` is no integer from 0 to 2^26. */
  constructor(size: number) {
    if (!Number.isInteger(size) || size < 0 || size > 2 ** 26) throw new RangeError(`Cannot build allocator of ${size} numbers: wanted 0 to 2^26`)
    this.size = size
    this.#words = new Uint32Array(Math.ceil(size / 32))
    // Bits past the end are never free.
    if (size % 32 !== 0) this.#words[this.#words.length - 1] = (0xffff_ffff << (size % 32)) >>> 0
    this.#free = size
  }

  /** How many can still be handed out. */
  get free(): number {
    return this.#free
  }

  /**
   * Whether the number is taken.
   *
   * @throws {RangeError} If it is not from 0 to `size - 1`; so with `take` and `release`.
   */
  has(index: number): boolean {
    return (this.#words[this.#wordOf(index)]! & (1 << (index % 32))) !== 0
  }

  /**
   * Takes the first free number at or after `from`, going round at the end; undefined when none is free.
   *
   * @param from A number at or past the end counts on from 0, so that "the last one + 1" is always a good start. @default 0
   * @throws {RangeError} If `from` is no whole number from 0.
   */
  allocate(from = 0): number | undefined {
    if (!Number.isInteger(from) || from < 0) throw new RangeError(`Cannot allocate from ${from}: wanted a whole number from 0`)
    if (this.#free === 0) return undefined
    const start = from % this.size
    const words = this.#words.length
    const first = start >>> 5
    for (let step = 0; step <= words; step += 1) {
      const at = (first + step) % words
      // In the first word only what lies at or after the start counts; it is visited again, whole, at the end.
      const taken = step === 0 ? this.#words[at]! | ((2 ** (start % 32)) - 1) : this.#words[at]!
      if ((taken >>> 0) === 0xffff_ffff) continue
      const bit = 31 - Math.clz32(~taken & -~taken)
      const index = at * 32 + bit
      this.take(index)
      return index
    }
    return undefined
  }

  /** @returns False when the number was taken already. */
  take(index: number): boolean {
    if (this.has(index)) return false
    const word = this.#wordOf(index)
    this.#words[word] = this.#words[word]! | (1 << (index % 32))
    this.#free -= 1
    return true
  }

  /** @returns False when the number was free already. */
  release(index: number): boolean {
    if (!this.has(index)) return false
    const word = this.#wordOf(index)
    this.#words[word] = this.#words[word]! & ~(1 << (index % 32))
    this.#free += 1
    return true
  }

  #wordOf(index: number): number {
    if (!Number.isInteger(index) || index < 0 || index >= this.size) throw new RangeError(`Cannot use number ${index}: wanted 0 to ${this.size - 1}`)
    return index >>> 5
  }
}
