import { createHash } from 'node:crypto'
import { stringify } from 'yaml'
import { agentHealthPort, controllerHealthPort, dnsHealthPort } from './ports.ts'
import type { Values } from './values.ts'

/**
 * Everything the objects take from values, worked out. In a chart each is an expression of Helm's instead: the objects
 * are made of these and decide nothing, so that both come from one source.
 */
export interface Rendering {
  readonly image: string
  readonly pullPolicy: string
  readonly dnsAddress: string
  readonly dnsAddresses: readonly string[]
  readonly binDir: string
  readonly confDir: string
  /** Text of the configuration files. */
  readonly agentConfig: string
  readonly dnsConfig: string
  readonly controllerConfig: string
  /** Of the configuration: pods start anew when it changes. */
  readonly configHash: string
  readonly replicas: number
  readonly maxUnavailable: number | string
  /** Address that kubelet's probes ask. */
  readonly probeHost: string
}

export function renderingOf(values: Values): Rendering {
  const { apiServers, image, dns, cni, config, controller, rollout, monitoring } = values
  const base = baseConfigs({ apiServers, listen: monitoring.listen, zone: dns.zone })
  const configs = { agent: merge(base.agent, config.agent), dns: merge(base.dns, config.dns), controller: merge(base.controller, config.controller) }
  return {
    image: `${image.repository}:${image.tag}`,
    pullPolicy: image.pullPolicy,
    dnsAddress: dns.addresses[0]!,
    dnsAddresses: dns.addresses,
    ...cni,
    agentConfig: stringify(configs.agent),
    dnsConfig: stringify(configs.dns),
    controllerConfig: stringify(configs.controller),
    configHash: createHash('sha256').update(goJson(configs)).digest('hex'),
    replicas: controller.replicas,
    maxUnavailable: rollout.maxUnavailable,
    probeHost: probeHostOf(monitoring.listen),
  }
}

/** What the programs are told; everything else is at their defaults. */
export function baseConfigs({ apiServers, listen, zone }: { readonly apiServers: readonly string[], readonly listen: string, readonly zone: string }): Readonly<Record<'agent' | 'dns' | 'controller', Tree>> {
  const kube = { servers: apiServers }
  return {
    agent: { kube, health: `${listen}:${agentHealthPort}`, sysctlFolder: '/host/proc/sys', install: { confDir: '/host/etc/cni/net.d' } },
    dns: { kube, health: `${listen}:${dnsHealthPort}`, dns: { zone } },
    controller: { kube, health: `${listen}:${controllerHealthPort}` },
  }
}

/** A wildcard is no address to ask. */
function probeHostOf(listen: string): string {
  return ['0.0.0.0', '[::]'].includes(listen) ? '127.0.0.1' : listen.replaceAll(/[[\]]/g, '')
}

type Tree = Readonly<Record<string, unknown>>

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Objects are merged, anything else is replaced: as `mergeOverwrite` of Helm does it. */
function merge(base: Tree, over: Tree): Tree {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key]
    merged[key] = isTree(below) && isTree(value) ? merge(below, value) : value
  }
  return merged
}

/** JSON as Go writes it, keys sorted: the hash is the one of Helm's `toJson | sha256sum`. */
function goJson(value: unknown): string {
  const sorted = JSON.stringify(value, (_key, each: unknown) => (isTree(each) ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1))) : each))
  return sorted.replaceAll(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
