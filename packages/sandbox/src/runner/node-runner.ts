import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock, Logger } from '@weft/daemon'
import { type Change, EventRecorder, type KubeClient, type Store, targetOf } from '@weft/kube'
import type { Gate } from '../inside/gate.ts'
import { messageOf } from '../errors.ts'
import { type UnderlayNode, withoutPrefix } from '../underlay/topology.ts'
import { CniNetwork } from './cni/network.ts'
import { NetworkWatch } from './network-watch.ts'
import { NodeObject, type NodeReadiness } from './node-object.ts'
import type { ClusterFacts } from './container-plan.ts'
import { PodInstance } from './pod-instance.ts'
import type { PodObject } from './pod-object.ts'
import { Prober } from './prober.ts'
import type { RunnerPod } from './runner-pod.ts'

export interface NodeRunnerOptions {
  readonly node: UnderlayNode
  /** The node's network namespace. */
  readonly netns: string
  /** The node's folder on the tmpfs. */
  readonly folder: string
  /** Folder of the pods' logs. */
  readonly logs: string
  readonly cniConfFolder: string
  readonly cniBinFolders: readonly string[]
  readonly kube: KubeClient
  /** All pods, with the index `node`. */
  readonly pods: Store<RunnerPod>
  readonly cluster: ClusterFacts
  readonly gate: Gate
  readonly clock: Clock
  readonly logger: Logger
  readonly onReadiness: (readiness: NodeReadiness) => void
}

const heartbeatMs = 10_000

/** A kubelet and a container runtime in small, for one node. */
export class NodeRunner {
  readonly #options: NodeRunnerOptions
  readonly #object: NodeObject
  readonly #network: CniNetwork
  readonly #watch: NetworkWatch
  readonly #prober: Prober
  readonly #events: EventRecorder
  readonly #pods = new Map<string, PodInstance>()
  #statusWrites: Promise<void> = Promise.resolve()

  constructor(options: NodeRunnerOptions) {
    const { node, netns, folder, kube } = options
    this.#options = options
    this.#object = new NodeObject(kube, node)
    this.#prober = new Prober(node.name, netns)
    this.#events = new EventRecorder({ client: kube, source: { component: 'kubelet', host: node.name }, clock: options.clock, logger: options.logger })
    this.#network = new CniNetwork({ binFolders: options.cniBinFolders, cacheFolder: `${folder}/cni-results`, nodeNetns: netns })
    this.#watch = new NetworkWatch({
      network: this.#network,
      confFolder: options.cniConfFolder,
      onChange: (readiness) => {
        options.logger.info({ ...readiness }, 'node readiness changed')
        this.#writeStatus(readiness)
      },
    })
  }

  get readiness(): NodeReadiness {
    return this.#watch.readiness
  }

  get podCount(): number {
    return this.#pods.size
  }

  pod(namespace: string, name: string): PodInstance | undefined {
    return [...this.#pods.values()].find(({ pod }) => pod.metadata.namespace === namespace && pod.metadata.name === name)
  }

  /** Namespaces that have a pod of this name here. */
  namespacesOf(name: string): readonly string[] {
    return [...this.#pods.values()].filter(({ pod }) => pod.metadata.name === name).map(({ pod }) => pod.metadata.namespace)
  }

  /** CNI CHECK of a pod. @throws {CniError} When a plugin finds it not as it left it; {RangeError} for a pod without a network of its own. */
  async checkAttachment(pod: PodInstance): Promise<void> {
    const { sandbox } = pod
    if (sandbox === undefined) throw new RangeError(`Cannot check pod "${pod.pod.metadata.name}": it has no sandbox`)
    await this.#network.check(sandbox.id, { signal: AbortSignal.timeout(30_000) })
  }

  /** Registers the node and runs its pods until aborted. Pods are not stopped then: their processes end with the sandbox. */
  async run(signal: AbortSignal): Promise<void> {
    const { pods, node } = this.#options
    await this.#object.register()
    this.#writeStatus(this.#watch.readiness)
    const unsubscribe = pods.subscribe((change) => this.#onChange(change), { replay: true })
    signal.addEventListener('abort', unsubscribe, { once: true })
    await Promise.all([this.#watch.run(signal), this.#beat(signal, node.name), this.#events.run(signal)])
    await this.#prober[Symbol.asyncDispose]()
  }

  #onChange({ old, new: next }: Change<RunnerPod>): void {
    const { name } = this.#options.node
    // A name can pass to another pod between two looks.
    if (old !== undefined && old.uid !== next?.uid) this.#pods.get(old.uid)?.removed()
    if (next === undefined || next.nodeName !== name) return
    const present = this.#pods.get(next.uid)
    if (present === undefined) this.#start(next.object)
    else present.update(next.object)
  }

  #start(pod: PodObject): void {
    const { netns, node, folder, logs, kube, cluster, gate, logger } = this.#options
    const { namespace, name, uid } = pod.metadata
    const instance = new PodInstance(pod, {
      cluster, kube, gate, logger,
      onTrouble: (reason, message) => this.#events.record(targetOf(pod, { apiVersion: 'v1', kind: 'Pod' }), 'Warning', { reason, message }),
      network: this.#network,
      networkReady: (signal) => this.#watch.ready(signal),
      nodeNetns: netns,
      nodeIps: node.addresses.map(withoutPrefix),
      prober: this.#prober,
      folder: `${folder}/pods/${uid}`,
      logs: `${logs}/${namespace}_${name}_${uid}`,
    })
    this.#pods.set(uid, instance)
    instance.run().then(
      () => this.#pods.delete(uid),
      // A fault of the sandbox itself, not of the pod: told, and the others go on.
      (error: unknown) => logger.error({ pod: `${namespace}/${name}`, message: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, 'pod failed inside the runner'),
    )
  }

  #writeStatus(readiness: NodeReadiness): void {
    const { logger, onReadiness } = this.#options
    this.#statusWrites = this.#statusWrites
      .then(() => this.#object.writeStatus(readiness))
      .then(() => onReadiness(readiness), (error: unknown) => logger.warn({ message: messageOf(error) }, 'node status could not be written'))
  }

  async #beat(signal: AbortSignal, node: string): Promise<void> {
    for (let beats = 0; !signal.aborted; beats++) {
      await sleep(heartbeatMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
      await this.#object.renewLease().catch((error: unknown) => this.#options.logger.warn({ node, message: messageOf(error) }, 'lease could not be renewed'))
      // Conditions every five minutes, as kubelets do when nothing changes.
      if (beats % 30 === 29) this.#writeStatus(this.#watch.readiness)
    }
  }
}
