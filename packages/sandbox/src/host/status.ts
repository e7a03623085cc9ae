import { SandboxClient } from '../control/client.ts'
import type { SandboxStatus } from '../control/protocol.ts'
import { readKept } from './kept-cluster.ts'
import { stateFolder } from './state-folder.ts'
import { isLive, readState } from './state-file.ts'

/** What can be said about a folder's sandbox without starting anything. */
export type SandboxPresence =
  | { readonly kind: 'none' }
  /** Stopped to be kept: the next start goes on with its objects. */
  | { readonly kind: 'kept' }
  /** It died without `down`; the next start goes on with its objects, unless it never became ready. */
  | { readonly kind: 'dead', readonly startedAt: string }
  | { readonly kind: 'starting', readonly startedAt: string }
  /** `status` is undefined when it does not answer. */
  | { readonly kind: 'running', readonly startedAt: string, readonly server: string, readonly status: SandboxStatus | undefined }

/** Looks at the sandbox of a folder; never throws for one that is away or stuck. */
export async function sandboxStatus(stateDir: string): Promise<SandboxPresence> {
  const folder = stateFolder(stateDir)
  const state = readState(folder)
  if (state === undefined) return { kind: readKept(folder) === undefined ? 'none' : 'kept' }
  const { startedAt, server } = state
  if (!isLive(state)) return { kind: 'dead', startedAt }
  if (state.phase === 'starting') return { kind: 'starting', startedAt }
  const status = await new SandboxClient(folder.root).status({ signal: AbortSignal.timeout(1000) }).catch(() => undefined)
  return { kind: 'running', startedAt, server, status }
}
