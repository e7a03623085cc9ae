import type { IpAddress } from '@weft/ip'
import type { NodeName } from './node-name.ts'
import { type ObjectMeta, openObject } from './object-meta.ts'
import type { ObjectResource } from './object-resource.ts'
import { type PodUid, podUidFrom } from './pod-uid.ts'
import { type Protocol, protocols } from './protocol.ts'

export interface ContainerPort {
  /** Empty when the port has no name. */
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
}

/** A pod as the features need it. */
export interface Pod extends ObjectMeta {
  readonly uid: PodUid
  /** Uid the runtime knows a static pod by, its mirror in the API having another; undefined for all other pods. */
  readonly staticUid: PodUid | undefined
  /** Undefined until scheduled. */
  readonly nodeName: NodeName | undefined
  readonly hostNetwork: boolean
  /** Containers ended for good (phase Succeeded or Failed): its addresses may already belong to another pod. */
  readonly finished: boolean
  readonly ready: boolean
  /** In the order of `status.podIPs`; empty until the pod is wired. */
  readonly ips: readonly IpAddress[]
  readonly ports: readonly ContainerPort[]
  readonly hostname: string
  readonly subdomain: string
}

/**
 * Keeps what the features use of a core/v1 Pod.
 *
 * @throws {InvalidObjectError} Naming the pod and the field.
 */
export function toPod(object: unknown): Pod {
  const { root, meta } = openObject('Pod', object)
  const spec = root.get('spec')
  const status = root.get('status')
  const phase = status.get('phase').stringOr('Pending')
  const initSidecars = spec.get('initContainers').list().filter((container) => container.get('restartPolicy').value === 'Always')
  return {
    ...meta,
    uid: root.get('metadata').get('uid').podUid(),
    // Anybody may write annotations: a pod that is refused for one would be out of the reach of policies that deny.
    staticUid: podUidFrom(root.get('metadata').get('annotations').get('kubernetes.io/config.mirror').value),
    nodeName: spec.get('nodeName').optionalNodeName(),
    hostNetwork: spec.get('hostNetwork').booleanOr(false),
    finished: phase === 'Succeeded' || phase === 'Failed',
    ready: status.get('conditions').list().some((condition) => condition.get('type').value === 'Ready' && condition.get('status').value === 'True'),
    ips: status.get('podIPs').map((entry) => entry.get('ip').ip()),
    ports: [...spec.get('containers').list(), ...initSidecars].flatMap((container) =>
      container.get('ports').list().map((port) => ({
        name: port.get('name').stringOr(''),
        protocol: port.get('protocol').present ? port.get('protocol').oneOf(protocols) : 'TCP',
        port: port.get('containerPort').port(),
      }))),
    hostname: spec.get('hostname').stringOr(''),
    subdomain: spec.get('subdomain').stringOr(''),
  }
}

/** Whether a pod is the one that the runtime knows by this uid, and not a later one of the same name; the name alone counts where the runtime does not tell. */
export function isSamePod(pod: Pick<Pod, 'uid' | 'staticUid'>, uid: PodUid | undefined): boolean {
  return uid === undefined || pod.uid === uid || pod.staticUid === uid
}

/** What a reflector needs to keep a store of pods. */
export const podResource: ObjectResource<Pod> = { kind: 'Pod', apiVersion: 'v1', name: 'pods', path: '/api/v1/pods', trim: toPod }
