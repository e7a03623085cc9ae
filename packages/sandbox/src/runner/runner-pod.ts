import type { Resource, StoredObject } from '@weft/kube'
import type { PodObject } from './pod-object.ts'

/** A pod in the runners' store: the whole object, for it is what runs. */
export interface RunnerPod extends StoredObject {
  readonly nodeName: string
  readonly object: PodObject
}

export const runnerPodResource: Resource<RunnerPod> = {
  kind: 'Pod',
  apiVersion: 'v1',
  name: 'pods',
  path: '/api/v1/pods',
  trim: (raw) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it comes from this process's own API server, which has validated it
    const object = raw as PodObject
    const { namespace, name, uid, resourceVersion } = object.metadata
    return { namespace, name, uid, resourceVersion, nodeName: object.spec.nodeName ?? '', object }
  },
}
