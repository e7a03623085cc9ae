import type { Counter, Histogram } from '@weft/daemon'
import type { AttachmentRequest, DetachRequest } from './cni-request.ts'
import type { CniResult } from './cni-result.ts'
import type { PluginConfig } from './plugin-config.ts'

/**
 * What a plugin does. Errors are told to the runtime: a {@link CniError} as it is, anything else as code 999.
 *
 * @typeParam Config What the plugin reads of its configuration.
 */
export interface PluginVerbs<Config> {
  /** Reads what ADD and CHECK need; DEL, GC and STATUS do without. */
  readConfig(config: PluginConfig): Config
  /** @param fds What the shim opened, see {@link takePodNetns}'s callers; the verb closes all of them. */
  add(request: AttachmentRequest<Config>, fds: readonly number[], signal: AbortSignal): Promise<CniResult>
  /** The runtime has the result of ADD, as far as can be known. */
  answered(request: AttachmentRequest<Config>): void
  /** @param fds As with ADD. */
  check(request: AttachmentRequest<Config>, fds: readonly number[]): Promise<void>
  del(request: DetachRequest): Promise<void>
  gc(config: PluginConfig): Promise<void>
  status(): void
}

/** Where calls are counted; each plugin has names of its own. */
export interface PluginMetrics {
  readonly verbs: Counter<'verb' | 'result'>
  readonly seconds: Histogram<'verb'>
  readonly spooled: Counter
}
