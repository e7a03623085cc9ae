import { readFileSync } from 'node:fs'

/** One line of `weft bench`: ours and a peer, measured in turn in one run. */
export interface BenchCase {
  readonly name: string
  /** What grows, e.g. `10000 services`. */
  readonly size: string
  /** Unit of `ours` and `peer`, e.g. `ms`. */
  readonly unit: string
  readonly ours: number
  /** Absent when the peer cannot be had; `peer_name` says why. */
  readonly peer: number | undefined
  readonly peer_name: string
  /** `ours / peer`. */
  readonly ratio: number | undefined
  /** In words, e.g. `ratio <= 0.33`. */
  readonly goal: string
  /** Whether the goal is met; true where there is none. Absent when it was not measured, as without its peer. */
  readonly ok: boolean | undefined
}

/** A bench file exports `cases`. */
export type Bench = () => Promise<readonly BenchCase[]>

interface Contest {
  readonly rounds: number
  /** Each resolves to a figure in the unit of the case. */
  readonly ours: () => Promise<number> | number
  readonly peer: () => Promise<number> | number
}

/** Medians of interleaved rounds: a machine that slows down slows both. One round before them does not count. */
export async function interleave({ rounds, ours, peer }: Contest): Promise<{ readonly ours: number, readonly peer: number }> {
  const figures = { ours: [] as number[], peer: [] as number[] }
  for (let round = 0; round <= rounds; round += 1) {
    const [mine, theirs] = [await ours(), await peer()]
    if (round > 0) {
      figures.ours.push(mine)
      figures.peer.push(theirs)
    }
  }
  return { ours: median(figures.ours), peer: median(figures.peer) }
}

export function median(figures: readonly number[]): number {
  return percentile(figures, 50)
}

/** @param percent From 0 to 100; the nearest rank. */
export function percentile(figures: readonly number[], percent: number): number {
  const sorted = figures.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN
}

/** Milliseconds from some moment on, less those in which this thread waited for a processor: the work of others on the machine is no part of a difference. */
export function unhinderedNow(): number {
  // Time on a processor and time waited for one, in nanoseconds (Documentation/scheduler/sched-stats.rst).
  const [, waited] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')
  return performance.now() - Number(waited) / 1e6
}
