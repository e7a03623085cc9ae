import { Deadlines } from '@weft/daemon'
import { CniError, toCniError } from './cni-error.ts'
import { type AttachmentRequest, type CniRequest, parseRequest } from './cni-request.ts'
import { encodeResult } from './cni-result.ts'
import type { CallFrame, ReplyFrame } from './frame.ts'
import { KeyedQueue } from './keyed-queue.ts'
import { closeAll } from './pod-netns.ts'
import type { Spool } from './spool.ts'
import type { VerbContext } from './verb-context.ts'
import { add } from './verbs/add.ts'
import { check } from './verbs/check.ts'
import { del } from './verbs/del.ts'
import { gc } from './verbs/gc.ts'
import { status } from './verbs/status.ts'
import { type CniVersion, cniVersions } from './version.ts'
import { messageOf } from './message-of.ts'

export interface CallHandlerOptions {
  readonly spool: Spool
  /** Whoever else acts on containers waits in it too. */
  readonly queue?: KeyedQueue | undefined
  /** Calls under way end with it. */
  readonly signal: AbortSignal
}

/** Answers calls: parses, puts calls of one container in a row, sets a deadline, turns errors into the runtime's form. */
export class CallHandler {
  readonly #context: VerbContext
  readonly #spool: Spool
  readonly #queue: KeyedQueue
  readonly #deadlines: Deadlines
  #replaying: Promise<ReadonlySet<string>> | undefined

  constructor(context: VerbContext, { spool, queue = new KeyedQueue(), signal }: CallHandlerOptions) {
    this.#queue = queue
    this.#context = context
    this.#spool = spool
    this.#deadlines = new Deadlines(context.clock)
    signal.addEventListener('abort', () => this.#deadlines.callOff(signal.reason), { once: true })
  }

  /**
   * Never rejects.
   *
   * @param fds Taken over: all are closed when the answer is there.
   */
  async handle(call: CallFrame, fds: readonly number[]): Promise<ReplyFrame> {
    const { clock, metrics, logger } = this.#context
    const verb = call.environment.get('CNI_COMMAND') ?? ''
    const began = clock.now()
    let version: CniVersion = '1.1.0'
    try {
      const request = parseOrClose(call, fds)
      version = request.config?.cniVersion ?? version
      const stdout = await this.#dispatch(request, fds)
      metrics.verbs.inc({ verb, result: 'ok' })
      return { exitCode: 0, stdout }
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
    const { logger, metrics } = this.#context
    const waiting = new Set<string>()
    for (const { path, call } of await this.#spool.calls()) {
      const request = this.#parseSpooled(path, call)
      if (request !== undefined) {
        try {
          await this.#inTurn(request, () => del(this.#context, request))
        } catch (error) {
          // The runtime has had its answer and does not come again: without the file the attachment would stay for ever.
          logger.warn({ path, error: messageOf(error) }, 'spooled DEL failed, it is tried again')
          waiting.add(request.containerId)
          continue
        }
        metrics.spooled.inc()
        logger.info({ path }, 'spooled DEL carried out')
      }
      await this.#spool.remove(path)
    }
    return waiting
  }

  /** @returns Undefined for what is wrong in itself and will not get better. */
  #parseSpooled(path: string, call: CallFrame | undefined): AttachmentRequest | undefined {
    try {
      if (call === undefined) throw new SyntaxError('Cannot read spooled call: it is not one')
      const request = parseRequest(call)
      if (request.command !== 'DEL') throw new SyntaxError(`Cannot carry out spooled call: it is ${request.command}, wanted DEL`)
      return request
    } catch (error) {
      this.#context.logger.warn({ path, error: messageOf(error) }, 'spooled call removed')
      return undefined
    }
  }

  /** A DEL of this very container may wait in the spool, written a moment after the agent had looked. */
  async #replayBefore({ containerId }: AttachmentRequest, fds: readonly number[]): Promise<void> {
    if (this.#spool.isEmpty()) return
    try {
      if ((await this.replay()).has(containerId)) throw new CniError('ERR_CNI_TRY_AGAIN', `Cannot attach container "${containerId}": a DEL of it waits in the spool, wanted it carried out`)
    } catch (error) {
      closeAll(fds)
      throw error
    }
  }

  async #dispatch(request: CniRequest, fds: readonly number[]): Promise<string> {
    const context = this.#context
    switch (request.command) {
      case 'ADD': {
        await this.#replayBefore(request, fds)
        const result = await this.#timed(request, fds, (deadline) => add(context, request, fds, deadline))
        return `${JSON.stringify(encodeResult(result, request.config.cniVersion))}\n`
      }
      case 'CHECK':
        await this.#timed(request, fds, () => Promise.resolve(check(context, request, fds)))
        return ''
      case 'DEL':
        closeAll(fds)
        await this.#inTurn(request, () => del(context, request))
        return ''
      case 'GC':
        closeAll(fds)
        await gc(context, request.config!)
        return ''
      case 'STATUS':
        closeAll(fds)
        status(context)
        return ''
      case 'VERSION':
        closeAll(fds)
        return `${JSON.stringify({ cniVersion: '1.1.0', supportedVersions: cniVersions })}\n`
      default:
        throw request satisfies never
    }
  }

  #inTurn<T>({ containerId }: AttachmentRequest, job: () => Promise<T>): Promise<T> {
    return this.#queue.run(containerId, job)
  }

  /** The time in the queue counts. */
  async #timed<T>(request: AttachmentRequest, fds: readonly number[], job: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { addTimeout } = this.#context.config
    using deadline = this.#deadlines.start(addTimeout, () => new CniError('ERR_CNI_TRY_AGAIN', `Cannot finish ${request.command}: it takes longer than ${addTimeout} ms`))
    const { signal } = deadline
    return await this.#inTurn(request, async () => {
      if (!signal.aborted) return await job(signal)
      closeAll(fds)
      throw signal.reason
    })
  }
}

function parseOrClose(call: CallFrame, fds: readonly number[]): CniRequest {
  try {
    return parseRequest(call)
  } catch (error) {
    closeAll(fds)
    throw error
  }
}

/** Labels come from a list, never from the caller. */
function knownVerb(verb: string): string {
  return ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'].includes(verb) ? verb : 'unknown'
}
