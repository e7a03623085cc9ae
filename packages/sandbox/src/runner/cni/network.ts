import type { CniConflist, CniPluginConfig } from './conflist.ts'
import { isAtLeast } from './conflist.ts'
import { callPlugin, type CniAttachment, type CniCall, type CniCommand, CniError, type CniResult } from './plugin.ts'
import { type CachedAttachment, ResultCache } from './result-cache.ts'

export interface CniNetworkOptions {
  readonly binFolders: readonly string[]
  readonly cacheFolder: string
  readonly nodeNetns: string
}

/** Carries out the CNI verbs over a whole conflist, as libcni does. */
export class CniNetwork {
  readonly #options: CniNetworkOptions
  readonly #cache: ResultCache

  constructor(options: CniNetworkOptions) {
    this.#options = options
    this.#cache = new ResultCache(options.cacheFolder)
  }

  /**
   * Attaches: every plugin in order, each given the result of the one before.
   *
   * @param runtimeConfig By capability, e.g. `portMappings`; a plugin gets what it says it can.
   * @throws {CniError} Of the plugin that refused; the caller owes a {@link CniNetwork.delete}.
   */
  async add(conflist: CniConflist, attachment: CniAttachment, options: { readonly runtimeConfig: Readonly<Record<string, unknown>>, readonly signal: AbortSignal }): Promise<CniResult> {
    const { runtimeConfig, signal } = options
    this.#cache.put({ attachment, conflist, runtimeConfig })
    let result: CniResult | undefined
    for (const plugin of conflist.plugins) {
      result = (await this.#call('ADD', { conflist, plugin, attachment, runtimeConfig, prevResult: result, signal })) ?? result
    }
    if (result === undefined) throw new CniError('ADD', conflist.plugins.at(-1)!.type, { code: 999, message: 'it printed no result' })
    this.#cache.put({ attachment, conflist, runtimeConfig, result })
    return result
  }

  /** @throws {CniError} When a plugin finds the attachment not as ADD left it. */
  async check(containerId: string, options: { readonly signal: AbortSignal }): Promise<void> {
    for (const cached of this.#of(containerId)) {
      const { conflist, attachment, runtimeConfig, result } = cached
      if (conflist.disableCheck === true || !isAtLeast(conflist.cniVersion, '0.4.0')) continue
      for (const plugin of conflist.plugins) await this.#call('CHECK', { conflist, plugin, attachment, runtimeConfig, prevResult: result, ...options })
    }
  }

  /** Detaches: every plugin in reverse, all of them even if one refuses; with the configuration ADD used. Nothing to detach is fine. */
  async delete(containerId: string, options: { readonly signal: AbortSignal }): Promise<void> {
    for (const { attachment, conflist, runtimeConfig, result } of this.#of(containerId)) {
      const faults: unknown[] = []
      for (const plugin of conflist.plugins.toReversed()) {
        await this.#call('DEL', { conflist, plugin, attachment, runtimeConfig, prevResult: result, ...options }).catch((error: unknown) => faults.push(error))
      }
      if (faults.length > 0) throw faults[0]
      this.#cache.delete(attachment)
    }
  }

  /** @throws {CniError} While a plugin cannot take new pods. */
  async status(conflist: CniConflist, options: { readonly signal: AbortSignal }): Promise<void> {
    if (!isAtLeast(conflist.cniVersion, '1.1.0')) return
    for (const plugin of conflist.plugins) await this.#call('STATUS', { conflist, plugin, ...options })
  }

  /** Tells the plugins which attachments are valid; they drop what belongs to others. */
  async collectGarbage(conflist: CniConflist, options: { readonly signal: AbortSignal }): Promise<void> {
    if (conflist.disableGC === true || !isAtLeast(conflist.cniVersion, '1.1.0')) return
    const valid = this.#cache.list().filter((cached) => cached.conflist.name === conflist.name).map(({ attachment: { containerId, ifname } }) => ({ containerID: containerId, ifname }))
    for (const plugin of conflist.plugins) await this.#call('GC', { conflist, plugin, valid, ...options })
  }

  #of(containerId: string): CachedAttachment[] {
    const cached = this.#cache.get({ containerId, ifname: 'eth0' })
    return cached === undefined ? [] : [cached]
  }

  async #call(command: CniCommand, step: Step): Promise<CniResult | undefined> {
    const call: CniCall = {
      command,
      path: this.#options.binFolders,
      type: step.plugin.type,
      config: pluginConfig(step),
      attachment: step.attachment,
      nodeNetns: this.#options.nodeNetns,
      signal: step.signal,
    }
    return await callPlugin(call)
  }
}

interface Step {
  readonly conflist: CniConflist
  readonly plugin: CniPluginConfig
  readonly attachment?: CniAttachment | undefined
  readonly runtimeConfig?: Readonly<Record<string, unknown>> | undefined
  readonly prevResult?: CniResult | undefined
  readonly valid?: readonly object[] | undefined
  readonly signal: AbortSignal
}

/** The configuration of one plugin: its own keys, the list's name and version, and what the runtime adds (SPEC section 3). */
export function pluginConfig({ conflist, plugin, runtimeConfig = {}, prevResult, valid }: Omit<Step, 'signal'>): Record<string, unknown> {
  const { capabilities, ...config } = plugin
  const wanted = Object.entries(runtimeConfig).filter(([capability]) => capabilities?.[capability] === true)
  return {
    ...config,
    name: conflist.name,
    cniVersion: conflist.cniVersion,
    ...(wanted.length > 0 ? { runtimeConfig: Object.fromEntries(wanted) } : {}),
    ...(prevResult === undefined ? {} : { prevResult }),
    ...(valid === undefined ? {} : { 'cni.dev/valid-attachments': valid, 'cni.dev/attachments': valid }),
  }
}

/** What a pod asks of the plugins by capability: its hostPorts, bandwidth, and its annotations as they are. */
export function podRuntimeConfig(pod: { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> | undefined }, readonly spec: { readonly containers: readonly { readonly ports?: readonly HostPort[] | undefined }[] } }): Record<string, unknown> {
  const portMappings = pod.spec.containers.flatMap(({ ports = [] }) => ports).filter(({ hostPort }) => (hostPort ?? 0) > 0).map(({ hostPort, containerPort, protocol = 'TCP', hostIP = '' }) => ({ hostPort, containerPort, protocol: protocol.toLowerCase(), hostIP }))
  const ingressRate = bitsPerSecond(pod.metadata.annotations?.['kubernetes.io/ingress-bandwidth'])
  const egressRate = bitsPerSecond(pod.metadata.annotations?.['kubernetes.io/egress-bandwidth'])
  // Bursts as containerd gives them: effectively unlimited.
  const burst = 2 ** 31 - 1
  const bandwidth = { ...(ingressRate === undefined ? {} : { ingressRate, ingressBurst: burst }), ...(egressRate === undefined ? {} : { egressRate, egressBurst: burst }) }
  const { annotations = {} } = pod.metadata
  return {
    ...(portMappings.length > 0 ? { portMappings } : {}),
    ...(Object.keys(bandwidth).length > 0 ? { bandwidth } : {}),
    // As containerd does.
    ...(Object.keys(annotations).length > 0 ? { 'io.kubernetes.cri.pod-annotations': annotations } : {}),
  }
}

interface HostPort {
  readonly hostPort?: number | undefined
  readonly containerPort: number
  readonly protocol?: string | undefined
  readonly hostIP?: string | undefined
}

/** A Kubernetes quantity such as `10M` or `1Gi`; undefined when absent or not one. */
function bitsPerSecond(text: string | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|Ti)?$/.exec(text ?? '')
  if (match === null) return undefined
  const factors: Record<string, number> = { k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 }
  return Math.round(Number(match[1]) * (factors[match[2] ?? ''] ?? 1))
}
