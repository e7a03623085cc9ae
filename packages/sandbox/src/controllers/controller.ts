import type { Clock, Logger } from '@weft/daemon'
import type { KubeClient } from '@weft/kube'
import type { StoragePort } from '../apiserver/storage-port.ts'
import type { KeyLoop } from './key-loop.ts'

/** What every controller works with: it reads the storage and writes through the API, so its writes are checked like anyone's. */
export interface ControllerContext {
  readonly storage: StoragePort
  readonly client: KubeClient
  readonly clock: Clock
  readonly logger: Logger
}

/** A controller that was attached to the storage: its loop has to be run. */
export interface Controller {
  readonly name: string
  readonly loop: KeyLoop
}

/** Adds the key of every object of a storage, now and at each change. */
export function addAll(context: ControllerContext, storage: string, loop: KeyLoop): void {
  for (const { metadata } of context.storage.list(storage)) loop.add(metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`)
  context.storage.subscribe(event => loop.add(event.key), storage)
}
