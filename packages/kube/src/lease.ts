import { isRecord } from './object.ts'

/** The collection of coordination.k8s.io leases, cluster-wide. */
export const leaseCollection = '/apis/coordination.k8s.io/v1/leases'

/** What leader election reads of a Lease. */
export interface LeaseState {
  readonly holder: string
  /** How long the holder may be silent, in milliseconds. */
  readonly durationMs: number
  readonly transitions: number
  readonly acquired: Date | undefined
  /** Changes with every renewal: who sees it unchanged for `durationMs` may take over. */
  readonly resourceVersion: string
}

/** Reads a Lease; what is missing or absurd reads as a lease nobody holds. */
export function readLease(lease: unknown): LeaseState {
  const root = isRecord(lease) ? lease : {}
  const metadata = isRecord(root['metadata']) ? root['metadata'] : {}
  const spec = isRecord(root['spec']) ? root['spec'] : {}
  return {
    holder: typeof spec['holderIdentity'] === 'string' ? spec['holderIdentity'] : '',
    durationMs: positive(spec['leaseDurationSeconds']) * 1000,
    transitions: positive(spec['leaseTransitions']),
    acquired: dateOf(spec['acquireTime']),
    resourceVersion: typeof metadata['resourceVersion'] === 'string' ? metadata['resourceVersion'] : '',
  }
}

export interface LeaseSpec {
  readonly holder: string
  readonly durationMs: number
  readonly transitions: number
  readonly acquired: Date | undefined
  readonly renewed: Date
}

/** A Lease to write; without a resourceVersion it is one to create. */
export function writeLease(name: string, namespace: string, spec: LeaseSpec, resourceVersion?: string): object {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
    spec: {
      holderIdentity: spec.holder,
      leaseDurationSeconds: Math.max(1, Math.ceil(spec.durationMs / 1000)),
      leaseTransitions: spec.transitions,
      ...(spec.acquired === undefined ? {} : { acquireTime: micro(spec.acquired) }),
      renewTime: micro(spec.renewed),
    },
  }
}

/** MicroTime, as Kubernetes prints it. */
function micro(date: Date): string {
  return date.toISOString().replace('Z', '000Z')
}

function positive(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.floor(value) : 0
}

function dateOf(value: unknown): Date | undefined {
  const date = typeof value === 'string' ? new Date(value) : undefined
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date
}
