import type { NodeName } from '@weft/api'
import type { Cluster } from './cluster.ts'
import type { Asker } from './ask.ts'
import type { KernelRoute } from './kernel-route.ts'
import type { Scene } from './scene.ts'

/** One promise of the network, and how it is proved. */
export interface Check {
  /** Stable, for scripts: `pod-to-pod-same-node`. */
  readonly name: string
  /** The promise in words, for the table. */
  readonly promise: string
  /** Runs after all checks before it: it disturbs the cluster. */
  readonly alone?: boolean
  /**
   * Proves it for every address family of the cluster.
   *
   * @returns The evidence: who asked whom, which source arrived, which path carried it.
   * @throws {CheckFailure} With what was seen instead.
   */
  readonly prove: (context: CheckContext) => Promise<string>
}

export interface CheckContext {
  readonly cluster: Cluster
  readonly ask: Asker
  /** The demo's objects, read once and shared by the checks until one changes them. */
  readonly scene: () => Promise<Scene>
  /** The kernel's routes of a node, read once. */
  readonly routes: (node: NodeName) => Promise<readonly KernelRoute[]>
  readonly signal: AbortSignal
}

export interface CheckResult {
  readonly name: string
  readonly promise: string
  /** Nothing was seen that breaks the promise. */
  readonly ok: boolean
  /** False when this cluster does not have what the proof needs; the evidence says what. */
  readonly tried: boolean
  readonly evidence: string
  readonly ms: number
}

/** What was promised did not happen. */
export class CheckFailure extends Error {
  readonly code = 'ERR_CHECK_FAILED'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CheckFailure'
  }
}

/** @throws {CheckFailure} With the message when the condition does not hold. */
export function ensure(condition: boolean, message: string): asserts condition {
  if (!condition) throw new CheckFailure(message)
}

/** The cluster does not have what this proof needs. */
export class NotTried extends Error {}
