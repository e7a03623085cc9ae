import { setTimeout as sleep } from 'node:timers/promises'
import { toFailure } from './failure.ts'
import { callHttp, connectTcp } from './http-client.ts'
import { callUdp } from './udp.ts'

/** Steady requests: to see whether anything is lost while something else is killed. */
export interface LoadAsk {
  readonly kind: 'load'
  readonly protocol: 'http' | 'tcp' | 'udp'
  readonly host: string
  readonly port: number
  /** For http. @default '/hostname' */
  readonly path?: string | undefined
  /** Requests a second, each on a connection of its own. @default 100 */
  readonly rate?: number | undefined
  readonly durationMs: number
  /** For each request. @default 2000 */
  readonly timeoutMs?: number | undefined
}

export interface LoadReport {
  readonly sent: number
  readonly answered: number
  /** Failures by word. */
  readonly failed: Readonly<Record<string, number>>
  /** Milliseconds after the start of the first and last failure. */
  readonly firstFailureMs?: number | undefined
  readonly lastFailureMs?: number | undefined
  readonly firstFailure?: string | undefined
  /** Longest wait for an answer. */
  readonly longestMs: number
  /** How many answers each server gave, by its answer (http and udp). */
  readonly servers: Readonly<Record<string, number>>
}

/** Requests leave on schedule, whether or not earlier ones were answered. */
export async function load(ask: LoadAsk): Promise<LoadReport> {
  const { rate = 100, durationMs } = ask
  const start = performance.now()
  const failed: Record<string, number> = {}
  const servers: Record<string, number> = {}
  const under: Promise<void>[] = []
  let [answered, longestMs] = [0, 0]
  let [firstFailureMs, lastFailureMs, firstFailure]: [number | undefined, number | undefined, string | undefined] = [undefined, undefined, undefined]

  const once = async (): Promise<void> => {
    const began = performance.now()
    try {
      const server = await request(ask, AbortSignal.timeout(ask.timeoutMs ?? 2000))
      answered++
      servers[server] = (servers[server] ?? 0) + 1
      longestMs = Math.max(longestMs, performance.now() - began)
    } catch (error) {
      const failure = toFailure(error)
      failed[failure.word] = (failed[failure.word] ?? 0) + 1
      lastFailureMs = Math.round(began - start)
      firstFailureMs ??= lastFailureMs
      firstFailure ??= failure.message
    }
  }
  const total = Math.max(1, Math.round((rate * durationMs) / 1000))
  for (let sent = 0; sent < total; sent++) {
    const waitMs = start + (sent * 1000) / rate - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    under.push(once())
  }
  await Promise.all(under)
  return { sent: total, answered, failed, firstFailureMs, lastFailureMs, firstFailure, longestMs: Math.round(longestMs * 10) / 10, servers }
}

async function request({ protocol, host, port, path = '/hostname' }: LoadAsk, signal: AbortSignal): Promise<string> {
  switch (protocol) {
    case 'http': return (await callHttp({ host, port, path, signal })).body.toString().trim()
    case 'udp': return (await callUdp({ host, port, message: 'hostname', signal })).reply.toString().trim()
    case 'tcp':
      (await connectTcp({ host, port, signal })).destroy()
      return 'connected'
    default: return protocol satisfies never
  }
}
