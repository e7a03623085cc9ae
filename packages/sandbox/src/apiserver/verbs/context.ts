import type { AdmissionPolicies } from '../admission/admission-policies.ts'
import type { KubeObject } from '../json.ts'
import type { Kind } from '../kind.ts'
import type { KindRegistry } from '../registry.ts'
import type { ObjectStore } from '../store.ts'
import type { User } from '../tls/credentials.ts'

/** What a write is about to do, shown to admission before validation. */
export interface AdmissionRequest {
  readonly kind: Kind
  /** In storage form; admission may change it. */
  readonly object: KubeObject
  readonly old: KubeObject | undefined
}

/** A hook that fills or refuses objects: allocators of Service addresses, node pod ranges. Runs inside the write, synchronously. */
export type Admission = (request: AdmissionRequest) => void

/** Who writes, and what may refuse it after validation. */
interface Review {
  readonly user: User
  readonly policies: AdmissionPolicies
}

/** What every verb needs. */
export interface VerbContext {
  readonly store: ObjectStore
  readonly registry: KindRegistry
  readonly admission: readonly Admission[]
  /** Absent for what the server does by itself. */
  readonly review?: Review | undefined
  wallTime(): Date
  newUid(): string
  /** Five characters that end a generated name. */
  newSuffix(): string
}

/** Options common to writes. */
export interface WriteOptions {
  /** Do everything except the write. */
  readonly dryRun?: boolean | undefined
  readonly fieldManager?: string | undefined
  readonly subresource?: string | undefined
  /** What becomes of unknown fields: an error, a warning, or silence. @default 'Warn' */
  readonly fieldValidation?: string | undefined
  /** The object brings its own managedFields: only apply writes them. */
  readonly keepsManagedFields?: boolean | undefined
  /** Called with every warning for the client. */
  readonly onWarning?: ((text: string) => void) | undefined
}

/** A moment as Kubernetes writes it: RFC 3339 in whole seconds. */
export function timestamp(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}
