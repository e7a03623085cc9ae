/** Whether a program can do its work, and what it still waits for. */
export interface Readiness {
  readonly ready: boolean
  /** Names of the parts that are not ready, each with the reason where it is known (`pods: … cannot list …`); empty when all are. */
  readonly waiting: readonly string[]
}

/**
 * Ready when all parts are.
 *
 * @param parts True, or what keeps the part, where that is known.
 */
export function allReady(parts: Readonly<Record<string, boolean | string | undefined>>): Readiness {
  const waiting = Object.entries(parts).flatMap(([name, state]) => (state === true ? [] : [typeof state === 'string' && state !== '' ? `${name}: ${state}` : name]))
  return { ready: waiting.length === 0, waiting }
}
