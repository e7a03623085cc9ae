/** Runs a computation that may be interrupted where it yields in one go. */
export function atOnce<R>(work: Generator<void, R>): R {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}
