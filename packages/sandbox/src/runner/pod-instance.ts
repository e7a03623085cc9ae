import { mkdirSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@weft/daemon'
import type { KubeClient } from '@weft/kube'
import type { Gate } from '../inside/gate.ts'
import type { BoundedLog } from '../inside/bounded-log.ts'
import { messageOf } from '../errors.ts'
import type { CniConflist } from './cni/conflist.ts'
import { CniError } from './cni/plugin.ts'
import type { CniNetwork } from './cni/network.ts'
import { type ClusterFacts, planContainer } from './container-plan.ts'
import type { ContainerPlan } from './container-process.ts'
import { ContainerUnit } from './container-unit.ts'
import type { Container, PodObject, PodStatus } from './pod-object.ts'
import { closePodSandbox, openPodSandbox, type PodSandbox } from './pod-sandbox.ts'
import { podStatus } from './pod-status.ts'
import type { Prober } from './prober.ts'
import { StatusWriter } from './status-writer.ts'

export interface PodInstanceOptions {
  readonly cluster: ClusterFacts
  readonly kube: KubeClient
  readonly network: CniNetwork
  readonly networkReady: (signal: AbortSignal) => Promise<CniConflist>
  readonly nodeNetns: string
  readonly nodeIps: readonly string[]
  readonly prober: Prober
  /** On the tmpfs. */
  readonly folder: string
  readonly logs: string
  /** How many pods may be made at once. */
  readonly gate: Gate
  readonly logger: Logger
  /** Tells a warning as an Event about the pod. */
  readonly onTrouble: (reason: string, message: string) => void
}

const firstRetryMs = 100
const longestRetryMs = 5000

/** One pod on this node, from its first sight to its removal from the API. */
export class PodInstance {
  readonly #options: PodInstanceOptions
  readonly #writer: StatusWriter
  readonly #startTime: string
  readonly #init: readonly ContainerUnit[]
  readonly #main: readonly ContainerUnit[]
  /** Aborted when the pod is to end; containers get their grace period then. */
  readonly #ending = new AbortController()
  /** Aborted when it must end now. */
  readonly #killing = new AbortController()
  #pod: PodObject
  #sandbox: PodSandbox | undefined
  #ips: readonly string[] = []

  constructor(pod: PodObject, options: PodInstanceOptions) {
    this.#pod = pod
    this.#options = options
    this.#startTime = pod.status?.startTime ?? new Date().toISOString()
    const onChange = (): void => this.#writer.touch()
    const before = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
    // Containers of before a reboot are started once more.
    const restarts = (name: string): number => {
      const status = before.find((each) => each.name === name)
      return status === undefined || 'waiting' in status.state ? status?.restartCount ?? 0 : status.restartCount + 1
    }
    const unit = (container: Container, restart: 'Always' | 'OnFailure' | 'Never'): ContainerUnit => new ContainerUnit({
      container, restart, restarts: restarts(container.name), folder: `${options.folder}/containers/${container.name}`, logs: `${options.logs}/${container.name}`, prober: options.prober, onChange, onTrouble: options.onTrouble,
    })
    const policy = pod.spec.restartPolicy ?? 'Always'
    this.#writer = new StatusWriter(options.kube, pod, () => this.#status())
    this.#init = (pod.spec.initContainers ?? []).map((container) => unit(container, container.restartPolicy ?? (policy === 'Never' ? 'Never' : 'OnFailure')))
    this.#main = pod.spec.containers.map((container) => unit(container, policy))
  }

  get pod(): PodObject {
    return this.#pod
  }

  /** The pause's process and network, while they are there. */
  get sandbox(): PodSandbox | undefined {
    return this.#sandbox
  }

  /** @throws {RangeError} If the pod has no such container. */
  container(name: string | undefined): ContainerUnit {
    const unit = name === undefined ? this.#main[0] : [...this.#main, ...this.#init].find(({ container }) => container.name === name)
    if (unit === undefined) throw new RangeError(`Cannot find container "${name}" in pod "${this.#pod.metadata.namespace}/${this.#pod.metadata.name}"`)
    return unit
  }

  /** A newer version of the object; a deletion starts the pod's end. */
  update(pod: PodObject): void {
    this.#pod = pod
    if (pod.metadata.deletionTimestamp === undefined) return
    this.#ending.abort()
    if (pod.metadata.deletionGracePeriodSeconds === 0) this.#killing.abort()
  }

  /** The object left the API: everything ends at once. */
  removed(): void {
    this.#writer.forget()
    this.#killing.abort()
    this.#ending.abort()
  }

  /** Runs the pod to its end; resolves when nothing of it is left, in the kernel, on disk and in the API. */
  async run(): Promise<void> {
    this.update(this.#pod)
    const { phase } = this.#pod.status ?? {}
    // It ended before this runner knew it: nothing is to be started, only to be removed some day.
    if (phase === 'Succeeded' || phase === 'Failed') await aborted(this.#ending.signal)
    else await this.#live()
    await this.#writer.deletePod()
    rmSync(this.#options.folder, { recursive: true, force: true })
    rmSync(this.#options.logs, { recursive: true, force: true })
  }

  async #live(): Promise<void> {
    this.#writer.touch()
    while (!this.#ending.signal.aborted) {
      if (!(await this.#open())) break
      const end = await this.#runContainers(this.#sandbox!)
      if (end === 'lost') this.#options.logger.warn({ pod: this.#pod.metadata.name }, 'pod sandbox lost, it is made again')
      await this.#stopContainers()
      await this.#close()
      if (end === 'finished') {
        this.#writer.touch()
        await aborted(this.#ending.signal)
      }
    }
    await this.#writer.settled()
  }

  /** Makes the sandbox, again and again until it is there. @returns False when the pod is to end. */
  async #open(): Promise<boolean> {
    const { gate, network, networkReady, nodeNetns, folder, logger } = this.#options
    const signal = this.#ending.signal
    for (let waitMs = firstRetryMs; !signal.aborted; waitMs = Math.min(longestRetryMs, waitMs * 2)) {
      try {
        mkdirSync(folder, { recursive: true })
        this.#sandbox = await gate.pass(async () => {
          signal.throwIfAborted()
          return await openPodSandbox({ pod: this.#pod, netnsPath: `${folder}/netns`, nodeNetns, network, networkReady: () => networkReady(signal), signal })
        })
        this.#ips = this.#pod.spec.hostNetwork === true ? this.#options.nodeIps : this.#sandbox.ips
        this.#writer.touch()
        return true
      } catch (error) {
        if (signal.aborted) return false
        // Code 11 says "later"; other refusals may pass as well, a kubelet does not give up either.
        const level = error instanceof CniError && error.cniCode === 11 ? 'info' : 'warn'
        logger[level]({ pod: this.#pod.metadata.name, message: messageOf(error), waitMs }, 'pod sandbox could not be made')
        this.#options.onTrouble('FailedCreatePodSandBox', `Failed to create pod sandbox: ${messageOf(error)}`)
        for (const unit of [...this.#init, ...this.#main]) unit.wait('ContainerCreating', messageOf(error))
        await sleep(waitMs, undefined, { signal }).catch(() => undefined)
      }
    }
    return false
  }

  async #runContainers(sandbox: PodSandbox): Promise<'finished' | 'lost' | 'ending'> {
    const over = new AbortController()
    const signal = AbortSignal.any([this.#ending.signal, over.signal])
    const podIp = this.#ips[0] ?? ''
    const plan = (unit: ContainerUnit) => (folder: string, log: BoundedLog): Promise<ContainerPlan> => planContainer(unit.container, { pod: this.#pod, podIps: this.#ips, nodeIps: this.#options.nodeIps, cluster: this.#options.cluster, kube: this.#options.kube, podFolder: this.#options.folder, folder, sandbox, log })
    const run = (unit: ContainerUnit): Promise<number | undefined> => unit.run(plan(unit), { podIp, signal })
    const all = async (): Promise<'finished'> => {
      for (const unit of this.#init) {
        if (unit.container.restartPolicy === 'Always') {
          // A sidecar runs beside what follows; it is stopped with the pod.
          void run(unit)
          await unit.started
        } else if ((await run(unit)) !== 0) {
          return 'finished'
        }
      }
      await Promise.all(this.#main.map(run))
      return 'finished'
    }
    for (const unit of this.#main) unit.wait(this.#init.length > 0 ? 'PodInitializing' : 'ContainerCreating')
    const running = all()
    const end = await Promise.race([running, sandbox.pause.ended.then(() => 'lost' as const), aborted(this.#ending.signal).then(() => 'ending' as const)])
    over.abort()
    if (end !== 'ending') await running
    return this.#ending.signal.aborted ? 'ending' : end
  }

  async #stopContainers(): Promise<void> {
    const { metadata, spec } = this.#pod
    const graceSeconds = metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30
    const deadlineMs = graceSeconds * 1000
    await Promise.all(this.#main.map((unit) => unit.stop(deadlineMs, this.#killing.signal)))
    await Promise.all(this.#init.map((unit) => unit.stop(Math.min(deadlineMs, 2000), this.#killing.signal)))
    for (const unit of [...this.#main, ...this.#init]) unit.close()
  }

  async #close(): Promise<void> {
    const { network, nodeNetns, logger } = this.#options
    for (let waitMs = firstRetryMs; this.#sandbox !== undefined; waitMs = Math.min(longestRetryMs, waitMs * 2)) {
      try {
        await closePodSandbox(this.#sandbox, { network, nodeNetns, signal: AbortSignal.timeout(60_000) })
        this.#sandbox = undefined
      } catch (error) {
        logger.warn({ pod: this.#pod.metadata.name, message: messageOf(error), waitMs }, 'pod sandbox could not be removed')
        await sleep(waitMs)
      }
    }
  }

  #status(): PodStatus {
    return podStatus({
      pod: this.#pod,
      podIps: this.#ips,
      hostIps: this.#options.nodeIps,
      startTime: this.#startTime,
      sandboxReady: this.#sandbox !== undefined,
      init: this.#init.map(({ status }) => status),
      containers: this.#main.map(({ status }) => status),
      now: new Date().toISOString(),
    })
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  else signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}
