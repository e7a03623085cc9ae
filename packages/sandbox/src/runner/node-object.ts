import { arch, cpus, release, totalmem } from 'node:os'
import { isAlreadyExists, type KubeClient } from '@weft/kube'
import { type UnderlayNode, withoutPrefix } from '../underlay/topology.ts'
import type { Condition } from './pod-object.ts'

const mostPods = 110
const leaseSeconds = 40

/** Whether a node can take pods. */
export interface NodeReadiness {
  readonly ready: boolean
  readonly reason: string
  readonly message: string
}

/** Writes what a kubelet writes about its node: the object, its conditions, its lease. */
export class NodeObject {
  readonly #kube: KubeClient
  readonly #node: UnderlayNode
  #since = new Date().toISOString()
  #last: boolean | undefined

  constructor(kube: KubeClient, node: UnderlayNode) {
    this.#kube = kube
    this.#node = node
  }

  /** Registers the node, not Ready yet; one of that name is taken over. */
  async register(): Promise<void> {
    const { name, segment } = this.#node
    const labels = {
      'kubernetes.io/hostname': name,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': arch() === 'x64' ? 'amd64' : arch(),
      'topology.kubernetes.io/zone': `segment-${segment}`,
    }
    await create(this.#kube, '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {} })
    const now = new Date()
    await create(this.#kube, '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace: 'kube-node-lease' },
      spec: { holderIdentity: name, leaseDurationSeconds: leaseSeconds, renewTime: microTime(now) },
    })
  }

  async writeStatus(readiness: NodeReadiness): Promise<void> {
    const now = new Date().toISOString()
    if (this.#last !== readiness.ready) this.#since = now
    this.#last = readiness.ready
    const fine = (type: string, reason: string): Condition & { lastHeartbeatTime: string } => ({ type, status: 'False', reason, message: '', lastHeartbeatTime: now, lastTransitionTime: this.#since })
    const { name, addresses } = this.#node
    const resources = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: String(mostPods) }
    await this.#kube.request('PATCH', `/api/v1/nodes/${name}/status`, {
      contentType: 'application/merge-patch+json',
      body: {
        status: {
          addresses: [...addresses.map((address) => ({ type: 'InternalIP', address: withoutPrefix(address) })), { type: 'Hostname', address: name }],
          capacity: resources,
          allocatable: resources,
          conditions: [
            fine('MemoryPressure', 'KubeletHasSufficientMemory'),
            fine('DiskPressure', 'KubeletHasNoDiskPressure'),
            fine('PIDPressure', 'KubeletHasSufficientPID'),
            { type: 'Ready', status: readiness.ready ? 'True' : 'False', reason: readiness.reason, message: readiness.message, lastHeartbeatTime: now, lastTransitionTime: this.#since },
          ],
          nodeInfo: {
            architecture: arch() === 'x64' ? 'amd64' : arch(), operatingSystem: 'linux', osImage: 'Weft sandbox', kernelVersion: release(),
            kubeletVersion: 'v1.35.0-weft', kubeProxyVersion: '', containerRuntimeVersion: 'weft-sandbox://0.1.0', bootID: '', machineID: name, systemUUID: name,
          },
        },
      },
    })
  }

  async renewLease(): Promise<void> {
    await this.#kube.request('PATCH', `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${this.#node.name}`, {
      contentType: 'application/merge-patch+json', body: { spec: { renewTime: microTime(new Date()) } },
    })
  }
}

async function create(kube: KubeClient, path: string, body: object): Promise<void> {
  try {
    await kube.request('POST', path, { body })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
}

/** Lease times have microseconds. */
function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z')
}
