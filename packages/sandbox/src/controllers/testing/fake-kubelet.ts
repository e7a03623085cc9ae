import type { KubeObject } from '../../apiserver/json.ts'
import type { ControllerContext } from '../controller.ts'
import { as, isReady, type Pod } from '../model.ts'

/** Plays the node runner of every node: pods that have a node get addresses and become Ready, marked ones go. */
export class FakeKubelet {
  readonly #context: ControllerContext
  #next = 10

  constructor(context: ControllerContext) {
    this.#context = context
  }

  /** Follows all pods until aborted. */
  start(signal: AbortSignal): void {
    const { storage } = this.#context
    const unsubscribe = storage.subscribe(({ kind, key }) => {
      // Writes must not happen inside the write that is being told of.
      if (kind !== 'deleted') queueMicrotask(() => void this.#sync(key).catch(() => undefined))
    }, 'pods')
    signal.addEventListener('abort', unsubscribe)
  }

  async #sync(key: string): Promise<void> {
    const object = this.#context.storage.get('pods', key)
    const path = this.#context.storage.pathOf('pods', key)
    if (object === undefined || path === undefined) return
    const pod = as<Pod>(object)
    if (pod.metadata.deletionTimestamp !== undefined) await this.#context.client.request('DELETE', path, { body: { gracePeriodSeconds: 0 } })
    else if (pod.spec.nodeName !== undefined && !isReady(pod)) await this.#context.client.request('PUT', `${path}/status`, { body: this.#running(object) })
  }

  #running(object: KubeObject): KubeObject {
    const pod = as<Pod>(object)
    const number = this.#next++
    const addresses = [`10.244.${number >> 8}.${number & 255}`, `fd00:10:244::${number.toString(16)}`]
    const containerStatuses = pod.spec.containers.map(({ name, image }) => ({ name, image, imageID: '', ready: true, restartCount: 0, state: { running: { startedAt: pod.metadata.creationTimestamp } } }))
    return { ...object, status: { phase: 'Running', podIP: addresses[0], podIPs: addresses.map(ip => ({ ip })), conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: this.#context.clock.wallTime().toISOString() }], containerStatuses } }
  }
}
