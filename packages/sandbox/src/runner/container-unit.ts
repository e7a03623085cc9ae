import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { BoundedLog } from '../inside/bounded-log.ts'
import { messageOf } from '../errors.ts'
import type { ContainerPlan, ContainerProcess } from './container-process.ts'
import { startContainer } from './container-process.ts'
import { type HandlerContext, performHandler } from './handler.ts'
import type { Container, ContainerState, ContainerStatus, Handler, Probe } from './pod-object.ts'
import { MissingReference } from './pod-environment.ts'
import { runProbeLoop } from './probe-loop.ts'
import type { Prober } from './prober.ts'
import { tellToEnd } from './tell-to-end.ts'
import { UnknownImage } from './image.ts'

export interface ContainerUnitOptions {
  readonly container: Container
  /** How often it was started before this runner knew it. @default 0 */
  readonly restarts?: number | undefined
  /** When it is started again after it ended by itself. */
  readonly restart: 'Always' | 'OnFailure' | 'Never'
  /** The container's folder on the tmpfs; every start gets one below. */
  readonly folder: string
  /** Logs are `<logs>/<restart>.log`. */
  readonly logs: string
  readonly prober: Prober
  /** Called after every change of {@link ContainerUnit.status}. */
  readonly onChange: () => void
  /** Called with what its pod's Events shall tell. */
  readonly onTrouble: (reason: string, message: string) => void
}

/** Prepares a start: files, mounts, environment. @throws {MissingReference} or {@link UnknownImage}: it waits and is tried again. */
export type PlanContainer = (folder: string, log: BoundedLog) => Promise<ContainerPlan>

/** Shorter than a kubelet's 10 s to 5 min: nobody waits five minutes in a sandbox. The first restart comes at once. */
const firstBackoffMs = 1000
const longestBackoffMs = 30_000
const steadyMs = 60_000

/** One container of a pod through all its starts. */
export class ContainerUnit {
  readonly container: Container
  readonly #options: ContainerUnitOptions
  #state: ContainerState = { waiting: { reason: 'PodInitializing' } }
  #lastState: ContainerState = {}
  #restarts: number
  #ready = false
  #started = false
  #id: string | undefined
  #process: ContainerProcess | undefined
  #log: BoundedLog | undefined
  #stopping: Promise<void> | undefined
  #podIp = ''

  constructor(options: ContainerUnitOptions) {
    this.#restarts = options.restarts ?? 0
    this.container = options.container
    this.#options = options
  }

  get status(): ContainerStatus {
    const { name, image } = this.container
    return {
      name, image, imageID: image, ...(this.#id === undefined ? {} : { containerID: this.#id }),
      ready: this.#ready, started: this.#started, restartCount: this.#restarts, state: this.#state, lastState: this.#lastState,
    }
  }

  /** The running process, if there is one. */
  get process(): ContainerProcess | undefined {
    return this.#process
  }

  get log(): BoundedLog | undefined {
    return this.#log
  }

  logPath(previous: boolean): string {
    return `${this.#options.logs}/${Math.max(0, this.#restarts - (previous ? 1 : 0))}.log`
  }

  /** Shown while it cannot start for a reason outside of it. */
  wait(reason: string, message?: string): void {
    this.#set({ waiting: { reason, ...(message === undefined ? {} : { message }) } })
  }

  /** Resolves when it has started (its startup probe included) for the first time, or will not. */
  readonly #firstStart = Promise.withResolvers<void>()
  get started(): Promise<void> {
    return this.#firstStart.promise
  }

  /**
   * Starts it, and again as its policy says.
   *
   * @param options.signal Ends it: no further start; a process that runs is left to {@link ContainerUnit.stop}.
   * @returns Exit code of the last run; undefined if there was none.
   */
  async run(plan: PlanContainer, { podIp, signal }: { readonly podIp: string, readonly signal: AbortSignal }): Promise<number | undefined> {
    this.#podIp = podIp
    let waitMs = 0
    try {
      while (!signal.aborted) {
        const began = performance.now()
        const code = await this.#runOnce(plan, signal)
        if (code !== undefined) {
          if (this.#options.restart === 'Never' || (this.#options.restart === 'OnFailure' && code === 0)) return code
          if (signal.aborted || this.#stopping !== undefined) return code
        }
        if (performance.now() - began > steadyMs) waitMs = 0
        if (code !== undefined && waitMs > 0) {
          // Without the time: what is equal is counted on one Event.
          this.#options.onTrouble('BackOff', `Back-off restarting failed container ${this.container.name}`)
          this.#turnOver({ waiting: { reason: 'CrashLoopBackOff', message: `back-off ${waitMs / 1000}s restarting failed container` } })
        }
        await sleep(code === undefined ? Math.max(waitMs, 250) : waitMs, undefined, { signal })
        waitMs = waitMs === 0 ? firstBackoffMs : Math.min(longestBackoffMs, waitMs * 2)
        if (code !== undefined) this.#restarts++
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      this.#firstStart.resolve()
    }
    return this.#state.terminated?.exitCode
  }

  /** SIGTERM (after the preStop hook), and SIGKILL after the grace period; resolves when it is gone. */
  async stop(graceMs: number, kill: AbortSignal): Promise<void> {
    await (this.#stopping ??= this.#stop(graceMs, kill))
  }

  close(): void {
    this.#log?.close()
    this.#log = undefined
  }

  async #stop(graceMs: number, kill: AbortSignal): Promise<void> {
    const process = this.#process
    if (process === undefined) return
    const deadline = AbortSignal.any([kill, AbortSignal.timeout(Math.max(0, graceMs))])
    const killed = Promise.withResolvers<void>()
    const onDeadline = (): void => {
      process.signal('SIGKILL')
      killed.resolve()
    }
    if (deadline.aborted) onDeadline()
    else deadline.addEventListener('abort', onDeadline, { once: true })
    const hook = this.container.lifecycle?.preStop
    if (hook !== undefined && !deadline.aborted) await Promise.race([performHandler(hook, this.#handlerContext(process, graceMs)), killed.promise])
    await tellToEnd(process, deadline)
    await process.ended
    deadline.removeEventListener('abort', onDeadline)
  }

  /** @returns Exit code; undefined if it could not be started. */
  async #runOnce(plan: PlanContainer, signal: AbortSignal): Promise<number | undefined> {
    const folder = `${this.#options.folder}/${this.#restarts}`
    rmSync(folder, { recursive: true, force: true })
    this.close()
    this.#log = new BoundedLog(`${this.#options.logs}/${this.#restarts}.log`, { format: 'cri' })
    const ended = new AbortController()
    try {
      const prepared = await plan(folder, this.#log)
      signal.throwIfAborted()
      const process = await startContainer(prepared)
      this.#process = process
      const id = `weft://${randomBytes(32).toString('hex')}`
      this.#id = id
      const startedAt = new Date().toISOString()
      this.#turnOver({ running: { startedAt } }, { started: this.container.startupProbe === undefined, ready: false })
      this.#watch(process, AbortSignal.any([ended.signal, signal]))
      const { code } = await process.ended
      this.#process = undefined
      const finishedAt = new Date().toISOString()
      this.#set({ terminated: { exitCode: code, ...(code > 128 ? { signal: code - 128 } : {}), reason: code === 0 ? 'Completed' : 'Error', startedAt, finishedAt, containerID: id } }, { started: false, ready: false })
      return code
    } catch (error) {
      if (signal.aborted) return undefined
      const reason = error instanceof MissingReference || error instanceof UnknownImage ? error.name : 'RunContainerError'
      this.#options.onTrouble(error instanceof UnknownImage ? reason : 'Failed', `container ${this.container.name}: ${messageOf(error)}`)
      this.#turnOver({ waiting: { reason, message: messageOf(error) } })
      return undefined
    } finally {
      ended.abort()
      rmSync(folder, { recursive: true, force: true })
    }
  }

  /** Runs the probes of one process; they end with it. */
  #watch(process: ContainerProcess, signal: AbortSignal): void {
    const { startupProbe, livenessProbe, readinessProbe, lifecycle } = this.container
    const loop = (probe: Probe, eager: boolean, onTurn: (healthy: boolean, message: string) => void): void => {
      const attempt = (): Promise<string | undefined> => performHandler(probe, this.#handlerContext(process, (probe.timeoutSeconds ?? 1) * 1000))
      void runProbeLoop({ probe, attempt, onTurn, eager, signal })
    }
    const fail = (what: string) => (message: string): void => {
      this.#log?.write('stderr', `weft sandbox: ${what} failed, the container is killed: ${message}\n`)
      void this.#restartByProbe(process)
    }
    const afterStart = (): void => {
      this.#set(this.#state, { started: true, ready: readinessProbe === undefined })
      this.#firstStart.resolve()
      if (livenessProbe !== undefined) loop(livenessProbe, false, (healthy, message) => healthy || fail('liveness probe')(message))
      if (readinessProbe !== undefined) loop(readinessProbe, true, (healthy) => this.#set(this.#state, { ready: healthy }))
    }
    if (lifecycle?.postStart !== undefined) void this.#hook(lifecycle.postStart, process)
    if (startupProbe === undefined) return afterStart()
    let started = false
    loop(startupProbe, true, (healthy, message) => {
      if (healthy && !started) {
        started = true
        afterStart()
      } else if (!healthy && !started) fail('startup probe')(message)
    })
  }

  async #hook(hook: Handler, process: ContainerProcess): Promise<void> {
    const failure = await performHandler(hook, this.#handlerContext(process, 60_000))
    if (failure !== undefined) this.#log?.write('stderr', `weft sandbox: postStart hook failed: ${failure}\n`)
  }

  async #restartByProbe(process: ContainerProcess): Promise<void> {
    process.signal('SIGTERM')
    await Promise.race([process.ended, sleep(1000)])
    process.signal('SIGKILL')
  }

  #handlerContext(process: ContainerProcess, timeoutMs: number): HandlerContext {
    return { container: this.container, process, podIp: this.#podIp, prober: this.#options.prober, timeoutMs }
  }

  #turnOver(state: ContainerState, flags: { readonly ready?: boolean, readonly started?: boolean } = {}): void {
    if (this.#state.terminated !== undefined) this.#lastState = this.#state
    this.#set(state, flags)
  }

  #set(state: ContainerState, { ready = this.#ready, started = this.#started }: { readonly ready?: boolean, readonly started?: boolean } = {}): void {
    this.#state = state
    this.#ready = ready
    this.#started = started
    this.#options.onChange()
  }
}
