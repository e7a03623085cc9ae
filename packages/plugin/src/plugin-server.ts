import { type Clock, Deadlines, type Logger } from '@weft/daemon'
import { messageOf } from '@weft/daemon/message-of'
import { type FdRequest, UnixFdServer } from '@weft/netlink'
import { type Answer, CallHandler } from './call-handler.ts'
import { closeAll } from './descriptors.ts'
import { type CallFrame, decodeCall, encodeReply } from './frame.ts'
import { KeyedQueue } from './keyed-queue.ts'
import type { PluginMetrics, PluginVerbs } from './plugin-verbs.ts'
import { leaveReason } from './reason.ts'
import { Spool } from './spool.ts'

export interface PluginServerOptions<Config> {
  readonly socketPath: string
  readonly spoolPath: string
  /** Longest an ADD or CHECK may take, in milliseconds. */
  readonly timeoutMs: number
  /** How often the spool is looked at for a DEL that raced with the start, in milliseconds. */
  readonly spoolIntervalMs: number
  readonly verbs: PluginVerbs<Config>
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: PluginMetrics
  /** Calls under way end with it. */
  readonly signal: AbortSignal
}

/** The shim's other end: takes calls from a unix socket and from the spool, and has them carried out. */
export class PluginServer<Config> {
  readonly #options: PluginServerOptions<Config>
  readonly #spool: Spool
  readonly #queue = new KeyedQueue()
  readonly #handler: CallHandler<Config>
  #listening = false

  constructor(options: PluginServerOptions<Config>) {
    this.#options = options
    this.#spool = new Spool(options.spoolPath)
    this.#handler = new CallHandler({ ...options, spool: this.#spool, queue: this.#queue })
  }

  /** True while the socket is open. */
  get listening(): boolean {
    return this.#listening
  }

  /** Makes the spool ready to be read, and nobody else's business. Before {@link PluginServer.replay}. */
  async prepare(): Promise<void> {
    await this.#spool.prepare()
  }

  /** Carries out what is in the spool; before the first ADD. */
  async replay(): Promise<void> {
    await this.#handler.replay()
  }

  /** Carries out one call, however it came. */
  async handle(call: CallFrame, fds: readonly number[]): Promise<Answer> {
    return await this.#handler.handle(call, fds)
  }

  /** Runs a job after the calls of a container that came before, and before those that come later. */
  inTurn<T>(containerId: string, job: () => Promise<T>): Promise<T> {
    return this.#queue.run(containerId, job)
  }

  /** Whether a call of that container is under way. */
  isBusy(containerId: string): boolean {
    return this.#queue.has(containerId)
  }

  /** Answers calls until aborted; resolves when the last call under way is answered. */
  async run(): Promise<void> {
    await Promise.all([this.#serve(), this.#watchSpool()])
  }

  async #serve(): Promise<void> {
    const { socketPath: path, clock, logger, signal } = this.#options
    await using server = UnixFdServer.listen({
      path,
      deadlines: new Deadlines(clock),
      onFault: (error, peer) => logger.warn({ error: String(error), peer }, 'plugin connection closed'),
    })
    const stop = (): void => void server[Symbol.asyncDispose]()
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) return
    this.#listening = true
    await leaveReason(path, undefined)
    logger.info({ path }, 'listening for the CNI plugin')
    const underWay = new Set<Promise<void>>()
    for await (const request of server) {
      const answered = this.#answer(request).finally(() => underWay.delete(answered))
      underWay.add(answered)
    }
    await Promise.allSettled(underWay)
    this.#listening = false
  }

  async #answer(request: FdRequest): Promise<void> {
    let call
    try {
      call = decodeCall(request.data)
    } catch (error) {
      closeAll(request.fds)
      return await request.reply(encodeReply({ exitCode: 1, stdout: `${JSON.stringify({ cniVersion: '1.1.0', code: 6, msg: messageOf(error) })}\n` }))
    }
    const { sent, ...reply } = await this.handle(call, request.fds)
    await request.reply(encodeReply(reply))
    sent?.()
  }

  /** A plugin may have missed the agent by a moment and spooled; the timeout of the runtime does not matter to a DEL. */
  async #watchSpool(): Promise<void> {
    const { spoolPath: path, spoolIntervalMs, clock, logger, signal } = this.#options
    while (!signal.aborted) {
      try {
        if (!this.#spool.isEmpty()) await this.#handler.replay()
      } catch (error) {
        logger.warn({ path, error: messageOf(error) }, 'spool not readable, it is tried again')
      }
      await clock.sleep(spoolIntervalMs, { signal }).catch(() => undefined)
    }
  }
}
