import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, LoadReport, Place } from '@weft/checks'

export interface Load {
  readonly host: string
  readonly port: number
  /** Requests a second, each on a connection of its own. */
  readonly rate: number
  readonly durationMs: number
}

/** Steady HTTP requests from a place; one that is not answered after ten seconds failed. */
export async function loadFrom(cluster: Cluster, place: Place, { durationMs, ...load }: Load): Promise<LoadReport> {
  const question = JSON.stringify([{ kind: 'load', protocol: 'http', ...load, durationMs, timeoutMs: 10_000 }])
  const { stdout } = await cluster.ask(place, question, { timeoutMs: durationMs + 30_000, signal: AbortSignal.timeout(durationMs + 30_000) })
  return JSON.parse((JSON.parse(stdout) as readonly [{ readonly answers: readonly [string] }])[0].answers[0]) as LoadReport
}

/** What was lost of a load; empty when nothing was. */
export function lossOf({ sent, answered, failed, firstFailure }: LoadReport): string {
  if (sent < 100) return `only ${sent} requests were sent`
  return answered === sent ? '' : `${sent - answered} of ${sent} requests: ${JSON.stringify(failed)} ${firstFailure ?? ''}`
}

/** False when it does not hold in time. */
export async function within(timeoutMs: number, holds: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (!(await holds().catch(() => false))) {
    if (performance.now() > deadline) return false
    await sleep(300)
  }
  return true
}
