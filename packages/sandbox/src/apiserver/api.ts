import type { Clock, Logger } from '@weft/daemon'
import type { Audit } from './authorization/audit.ts'
import type { RbacAuthorizer } from './authorization/rbac.ts'
import type { Faults } from './faults.ts'
import type { PodRuntime } from './pod-runtime.ts'
import type { DispatchContext } from './request.ts'
import type { RunningWatches } from './running-watches.ts'
import type { Credentials } from './tls/credentials.ts'

/** Everything the HTTP side and the in-process client share. */
export interface Api {
  readonly context: DispatchContext
  readonly credentials: Credentials
  readonly authorizer: RbacAuthorizer
  readonly audit: Audit
  readonly faults: Faults
  readonly watches: RunningWatches
  readonly clock: Clock
  readonly logger: Logger
  readonly podRuntime: PodRuntime | undefined
}
