import type { NetlinkProtocol } from './netlink-protocol.ts'

/** What the namespace worker can be asked to do. Each job leaves the worker in its own namespace. */
export type NetnsJob =
  | { readonly kind: 'create', readonly path: string }
  | { readonly kind: 'delete', readonly path: string }
  | { readonly kind: 'open', readonly path: string, readonly protocol: NetlinkProtocol }
  /** A namespace without a name, which lives as long as the sockets: gives one descriptor per protocol. */
  | { readonly kind: 'scratch', readonly protocols: readonly NetlinkProtocol[] }
  | { readonly kind: 'sysctls', readonly path: string | undefined, readonly values: Readonly<Record<string, string>>, readonly folder: string }
  | { readonly kind: 'readSysctls', readonly path: string | undefined, readonly names: readonly string[] }
  | { readonly kind: 'run', readonly path: string, readonly module: string, readonly name: string, readonly data: unknown }
  /** Last of all: lets go of what the thread holds. */
  | { readonly kind: 'end' }

/** A job as it travels to the worker. */
export interface NetnsJobMessage {
  readonly id: number
  readonly job: NetnsJob
}

/** The worker's answer. Kernel errors travel by their parts. */
export interface NetnsResultMessage {
  readonly id: number
  /** What the job's kind promises; only the one who asked knows its type. */
  readonly value?: unknown
  readonly error?: { readonly operation: string, readonly errno: number } | { readonly thrown: unknown } | undefined
}
