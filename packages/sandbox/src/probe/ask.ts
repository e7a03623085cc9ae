import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProbeFailure, toFailure } from './failure.ts'
import { callHttp, connectTcp, formatEndpoint } from './http-client.ts'
import type { Ask, AskAnswer, Outcome } from './question.ts'
import { callUdp } from './udp.ts'

/** Asks under way at once: enough to hide timeouts, few enough for a small machine. */
const concurrency = 32
const defaultTimeoutMs = 2000

/** The subcommand: reads a JSON list of asks from the argument or standard input, prints one JSON list of answers. */
export async function ask(args: readonly string[]): Promise<number> {
  const asks: Ask[] = JSON.parse(args[0] ?? (await text(process.stdin)))
  const answers = await performAsks(asks)
  const { promise, resolve } = Promise.withResolvers<void>()
  process.stdout.write(`${JSON.stringify(answers)}\n`, () => resolve())
  await promise
  return 0
}

/** Performs asks side by side; answers keep the order of the asks. */
export async function performAsks(asks: readonly Ask[]): Promise<AskAnswer[]> {
  const answers: AskAnswer[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < asks.length; index = next++) answers[index] = await perform(asks[index]!)
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, asks.length) }, work))
  return answers
}

async function perform(ask: Ask): Promise<AskAnswer> {
  const start = performance.now()
  // The only one with several answers of their own.
  if (ask.kind === 'routes') return { ok: true, answers: await (await import('./kernel-view.ts')).readRoutes(), ms: performance.now() - start }
  const count = 'count' in ask ? ask.count ?? 1 : 1
  const answers: string[] = []
  let failure: ProbeFailure | undefined
  let last: Outcome | undefined
  for (let index = 0; index < count; index++) {
    try {
      last = await performOnce(ask)
      answers.push(last.answer)
    } catch (error) {
      failure ??= toFailure(error)
      // A name that does not resolve fails at once; without a pause many counts would only be heat.
      if (count > 1) await sleep(1)
    }
  }
  const { answer: _, ...rest } = last ?? { answer: '' }
  return { ok: failure === undefined, answers, ...(failure === undefined ? {} : { error: failure.word, detail: failure.message }), ms: Math.round((performance.now() - start) * 10) / 10, ...rest }
}

async function performOnce(ask: Exclude<Ask, { readonly kind: 'routes' }>): Promise<Outcome> {
  const signal = AbortSignal.timeout(ask.timeoutMs ?? defaultTimeoutMs)
  switch (ask.kind) {
    case 'http': {
      const { status, body, local, peer } = await callHttp({ host: ask.host, port: ask.port, path: ask.path ?? '/', signal })
      if (status >= 400) throw new ProbeFailure('OTHER', `HTTP ${status}: ${body.toString().slice(0, 200)}`)
      return { answer: body.toString(), local, peer, bytes: body.byteLength }
    }
    case 'tcp': {
      const socket = await connectTcp({ host: ask.host, port: ask.port, signal })
      const peer = formatEndpoint(socket.remoteAddress, socket.remotePort)
      const local = formatEndpoint(socket.localAddress, socket.localPort)
      socket.destroy()
      return { answer: peer, local, peer }
    }
    case 'udp': {
      const { reply, local } = await callUdp({ host: ask.host, port: ask.port, message: ask.message ?? 'hostname', ttl: ask.ttl, signal })
      return { answer: reply.toString().trim(), local, bytes: reply.byteLength }
    }
    case 'upload': return await (await import('./transfer.ts')).upload(ask, AbortSignal.timeout(ask.timeoutMs ?? 10_000))
    case 'download': return await (await import('./transfer.ts')).download(ask, AbortSignal.timeout(ask.timeoutMs ?? 10_000))
    case 'dns': return { answer: await (await import('./ask-dns.ts')).askDns(ask.name, ask.type ?? 'A', signal) }
    case 'source': return { answer: await (await import('./kernel-view.ts')).sourceTo(ask.host) }
    case 'load': return { answer: JSON.stringify(await (await import('./load.ts')).load(ask)) }
    default: throw new ProbeFailure('OTHER', `unknown kind of ask: ${JSON.stringify(ask satisfies never)}`)
  }
}
