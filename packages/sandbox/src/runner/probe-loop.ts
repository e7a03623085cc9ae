import { setTimeout as sleep } from 'node:timers/promises'
import type { Probe } from './pod-object.ts'

export interface ProbeLoop {
  readonly probe: Probe
  /** One attempt. @returns Why it failed, undefined when it did not. */
  readonly attempt: () => Promise<string | undefined>
  /** Told when the threshold is crossed, in either direction. */
  readonly onTurn: (healthy: boolean, message: string) => void
  /** Tries more often than the period until the first success: a pod is Ready as soon as it is, not a period later. */
  readonly eager: boolean
  readonly signal: AbortSignal
}

const firstPauseMs = 25

/** Repeats a probe as the kubelet does, until aborted. */
export async function runProbeLoop({ probe, attempt, onTurn, eager, signal }: ProbeLoop): Promise<void> {
  const periodMs = (probe.periodSeconds ?? 10) * 1000
  const successThreshold = probe.successThreshold ?? 1
  const failureThreshold = probe.failureThreshold ?? 3
  let [successes, failures, healthy, hasSucceeded] = [0, 0, undefined as boolean | undefined, false]
  let eagerMs = firstPauseMs
  try {
    await sleep((probe.initialDelaySeconds ?? 0) * 1000, undefined, { signal })
    while (!signal.aborted) {
      const failure = await attempt()
      if (signal.aborted) return
      if (failure === undefined) [successes, failures, hasSucceeded] = [successes + 1, 0, true]
      else [successes, failures] = [0, failures + 1]
      const pauseMs = eager && !hasSucceeded ? Math.min(periodMs, eagerMs) : periodMs
      eagerMs *= 1.5
      if (successes >= successThreshold && healthy !== true) {
        healthy = true
        onTurn(true, '')
      } else if (failures >= failureThreshold && healthy !== false) {
        healthy = false
        onTurn(false, failure ?? '')
      }
      await sleep(pauseMs, undefined, { signal })
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
