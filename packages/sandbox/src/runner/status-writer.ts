import { isDeepStrictEqual } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { isConflict, isNotFound, type KubeClient } from '@weft/kube'
import type { PodObject, PodStatus } from './pod-object.ts'

const retryMs = 200

/** Writes a pod's status whenever it differs from what was written last; one request at a time, the newest wins. */
export class StatusWriter {
  readonly #kube: KubeClient
  readonly #path: string
  readonly #uid: string
  readonly #compute: () => PodStatus
  #written: PodStatus | undefined
  #wanted = false
  #writing: Promise<void> | undefined
  #gone = false

  constructor(kube: KubeClient, pod: PodObject, compute: () => PodStatus) {
    this.#kube = kube
    this.#path = `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`
    this.#uid = pod.metadata.uid
    this.#compute = compute
  }

  /** Called after every change; changes of one turn of the event loop are written together. */
  touch(): void {
    this.#wanted = true
    this.#writing ??= this.#run()
  }

  /** Resolves when the present status is written, or the pod is gone. */
  async settled(): Promise<void> {
    this.touch()
    await this.#writing
  }

  /** Removes the pod from the API, as the last thing a kubelet does for it. */
  async deletePod(): Promise<void> {
    while (!this.#gone) {
      try {
        await this.#kube.request('DELETE', this.#path, { body: { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0, preconditions: { uid: this.#uid } } })
        this.#gone = true
      } catch (error) {
        if (isNotFound(error) || isConflict(error)) this.#gone = true
        else await sleep(retryMs)
      }
    }
  }

  /** The pod has left the API: nothing is written any more. */
  forget(): void {
    this.#gone = true
  }

  async #run(): Promise<void> {
    await new Promise(setImmediate)
    while (this.#wanted && !this.#gone) {
      this.#wanted = false
      const status = this.#compute()
      if (isDeepStrictEqual(status, this.#written)) continue
      try {
        await this.#kube.request('PATCH', `${this.#path}/status`, { contentType: 'application/merge-patch+json', body: { metadata: { uid: this.#uid }, status } })
        this.#written = status
      } catch (error) {
        // Conflict: a pod of the same name with another uid took its place.
        if (isNotFound(error) || isConflict(error)) break
        this.#wanted = true
        await sleep(retryMs)
      }
    }
    this.#writing = undefined
  }
}
