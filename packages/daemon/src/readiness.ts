/** Whether a program can do its work, and what it still waits for. */
export interface Readiness {
  readonly ready: boolean
  /** Names of the parts that are not ready; empty when all are. */
  readonly waiting: readonly string[]
}

/** Ready when all parts are. */
export function allReady(parts: Readonly<Record<string, boolean>>): Readiness {
  const waiting = Object.keys(parts).filter((name) => !parts[name])
  return { ready: waiting.length === 0, waiting }
}
