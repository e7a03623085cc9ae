import { type Clock, Deadlines, type Logger } from '@weft/daemon'
import { messageOf } from '@weft/daemon/message-of'
import { CniError, toCniError } from './cni-error.ts'
import { type AttachmentRequest, type CniRequest, type DetachRequest, parseRequest } from './cni-request.ts'
import { encodeResult } from './cni-result.ts'
import { closeAll } from './descriptors.ts'
import type { CallFrame, ReplyFrame } from './frame.ts'
import { KeyedQueue } from './keyed-queue.ts'
import type { PluginMetrics, PluginVerbs } from './plugin-verbs.ts'
import type { Spool } from './spool.ts'
import { type CniVersion, cniVersions } from './version.ts'

/** A reply, and what is to be done when it is on its way. */
export interface Answer extends ReplyFrame {
  readonly sent?: (() => void) | undefined
}

export interface CallHandlerOptions<Config> {
  readonly verbs: PluginVerbs<Config>
  readonly spool: Spool
  /** Whoever else acts on containers waits in it too. */
  readonly queue?: KeyedQueue | undefined
  /** Longest an ADD or CHECK may take, in milliseconds. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: PluginMetrics
  /** Calls under way end with it. */
  readonly signal: AbortSignal
}

/** Answers calls: parses, puts calls of one container in a row, sets a deadline, turns errors into the runtime's form. */
export class CallHandler<Config> {
  readonly #options: CallHandlerOptions<Config>
  readonly #queue: KeyedQueue
  readonly #deadlines: Deadlines
  #replaying: Promise<ReadonlySet<string>> | undefined

  constructor(options: CallHandlerOptions<Config>) {
    const { queue = new KeyedQueue(), clock, signal } = options
    this.#options = options
    this.#queue = queue
    this.#deadlines = new Deadlines(clock)
    signal.addEventListener('abort', () => this.#deadlines.callOff(signal.reason), { once: true })
  }

  /**
   * Never rejects.
   *
   * @param fds Taken over: all are closed when the answer is there.
   */
  async handle(call: CallFrame, fds: readonly number[]): Promise<Answer> {
    const { clock, metrics, logger } = this.#options
    const verb = call.environment.get('CNI_COMMAND') ?? ''
    const began = clock.now()
    let version: CniVersion = '1.1.0'
    try {
      const request = this.#parseOrClose(call, fds)
      if (request.command !== 'VERSION') version = request.base.cniVersion
      const stdout = await this.#dispatch(request, fds)
      metrics.verbs.inc({ verb, result: 'ok' })
      return { exitCode: 0, stdout, ...request.command === 'ADD' ? { sent: () => this.#options.verbs.answered(request) } : {} }
    } catch (error) {
      const failure = toCniError(error)
      metrics.verbs.inc({ verb: knownVerb(verb), result: failure.code })
      const fields = { verb, code: failure.code, container: call.environment.get('CNI_CONTAINERID'), error: failure.message }
      if (failure.code === 'ERR_CNI_INTERNAL') logger.error(fields, 'call failed')
      else logger.info(fields, 'call refused')
      return { exitCode: 1, stdout: `${JSON.stringify({ cniVersion: version, code: failure.cniCode, msg: failure.message, ...failure.details === '' ? {} : { details: failure.details } })}\n` }
    } finally {
      metrics.seconds.observe({ verb: knownVerb(verb) }, (clock.now() - began) / 1000)
    }
  }

  /**
   * Carries out what the plugin left in the spool, oldest first; a DEL that fails stays for the next time.
   *
   * @returns Containers with a DEL that stays.
   */
  replay(): Promise<ReadonlySet<string>> {
    this.#replaying ??= this.#replaySpool().finally(() => {
      this.#replaying = undefined
    })
    return this.#replaying
  }

  async #replaySpool(): Promise<ReadonlySet<string>> {
    const { logger, metrics, spool, verbs } = this.#options
    const waiting = new Set<string>()
    for (const { path, call } of await spool.calls()) {
      const request = this.#parseSpooled(path, call)
      if (request !== undefined) {
        try {
          await this.#inTurn(request, () => verbs.del(request))
        } catch (error) {
          // The runtime has had its answer and does not come again: without the file the attachment would stay for ever.
          logger.warn({ path, error: messageOf(error) }, 'spooled DEL failed, it is tried again')
          waiting.add(request.containerId)
          continue
        }
        metrics.spooled.inc()
        logger.info({ path }, 'spooled DEL carried out')
      }
      await spool.remove(path)
    }
    return waiting
  }

  /** @returns Undefined for what is wrong in itself and will not get better. */
  #parseSpooled(path: string, call: CallFrame | undefined): DetachRequest | undefined {
    try {
      if (call === undefined) throw new SyntaxError('Cannot read spooled call: it is not one')
      const request = parseRequest(call, () => undefined)
      if (request.command !== 'DEL') throw new SyntaxError(`Cannot carry out spooled call: it is ${request.command}, wanted DEL`)
      return request
    } catch (error) {
      this.#options.logger.warn({ path, error: messageOf(error) }, 'spooled call removed')
      return undefined
    }
  }

  /** A DEL of this very container may wait in the spool, written a moment after the agent had looked. */
  async #replayBefore({ containerId }: AttachmentRequest<Config>, fds: readonly number[]): Promise<void> {
    if (this.#options.spool.isEmpty()) return
    try {
      if ((await this.replay()).has(containerId)) throw new CniError('ERR_CNI_TRY_AGAIN', `Cannot attach container "${containerId}": a DEL of it waits in the spool, wanted it carried out`)
    } catch (error) {
      closeAll(fds)
      throw error
    }
  }

  async #dispatch(request: CniRequest<Config>, fds: readonly number[]): Promise<string> {
    const { verbs } = this.#options
    switch (request.command) {
      case 'ADD': {
        await this.#replayBefore(request, fds)
        const result = await this.#timed(request, fds, (deadline) => verbs.add(request, fds, deadline))
        return `${JSON.stringify(encodeResult(result, request.base.cniVersion))}\n`
      }
      case 'CHECK':
        await this.#timed(request, fds, () => verbs.check(request, fds))
        return ''
      case 'DEL':
        closeAll(fds)
        await this.#inTurn(request, () => verbs.del(request))
        return ''
      case 'GC':
        closeAll(fds)
        await verbs.gc(request.base)
        return ''
      case 'STATUS':
        closeAll(fds)
        verbs.status()
        return ''
      case 'VERSION':
        closeAll(fds)
        return `${JSON.stringify({ cniVersion: '1.1.0', supportedVersions: cniVersions })}\n`
      default:
        throw request satisfies never
    }
  }

  #inTurn<T>({ containerId }: { readonly containerId: string }, job: () => Promise<T>): Promise<T> {
    return this.#queue.run(containerId, job)
  }

  /** The time in the queue counts. */
  async #timed<T>(request: AttachmentRequest<Config>, fds: readonly number[], job: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options
    using deadline = this.#deadlines.start(timeoutMs, () => new CniError('ERR_CNI_TRY_AGAIN', `Cannot finish ${request.command}: it takes longer than ${timeoutMs} ms`))
    const { signal } = deadline
    return await this.#inTurn(request, async () => {
      if (!signal.aborted) return await job(signal)
      closeAll(fds)
      throw signal.reason
    })
  }

  #parseOrClose(call: CallFrame, fds: readonly number[]): CniRequest<Config> {
    try {
      return parseRequest(call, (config) => this.#options.verbs.readConfig(config))
    } catch (error) {
      closeAll(fds)
      throw error
    }
  }
}

/** Labels come from a list, never from the caller. */
function knownVerb(verb: string): string {
  return ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'].includes(verb) ? verb : 'unknown'
}
