import { z } from 'zod'
import manifest from '../package.json' with { type: 'json' }

/** That of all packages, and of the image. */
export const version: string = manifest.version

/** What stands where the address of the API server belongs until somebody writes it there; no program takes it for an address. */
export const apiServerPlaceholder = 'REPLACE with the real address of the API server, like https://192.0.2.10:6443'

type Config = Readonly<Record<string, unknown>>

/** What may differ from cluster to cluster. Few: everything else is found out by the programs, or has one right value. */
export interface Values {
  readonly image: { readonly repository: string, readonly tag: string, readonly pullPolicy: 'IfNotPresent' | 'Always' | 'Never' }
  readonly apiServers: readonly string[]
  readonly dns: { readonly addresses: readonly string[], readonly zone: string }
  readonly cni: { readonly binDir: string, readonly confDir: string }
  readonly config: { readonly agent: Config, readonly dns: Config, readonly controller: Config }
  readonly controller: { readonly replicas: number }
  readonly rollout: { readonly maxUnavailable: number | string }
  readonly monitoring: { readonly listen: string, readonly serviceMonitor: boolean, readonly dashboard: boolean }
}

const configSchema = z.record(z.string(), z.unknown()).default({})

/** Values with their defaults; those of the chart (`deploy/chart/values.yaml`) and of `weft install`. */
export const valuesSchema: z.ZodType<Values> = z.strictObject({
  image: z.strictObject({
    repository: z.string().default('weft.dev/weft').describe('Where the image is; `weft image build` gives it this name.'),
    tag: z.string().default(version).describe('Version of the image.'),
    pullPolicy: z.enum(['IfNotPresent', 'Always', 'Never']).default('IfNotPresent').describe('As in a pod.'),
  }).prefault({}).describe('The one image that has all programs.'),
  apiServers: z.array(z.string()).min(1).default([apiServerPlaceholder])
    .describe('REQUIRED. Real addresses of API servers, e.g. `https://192.0.2.10:6443`: what brings the Service network up cannot reach the API server through it. One is enough, the others are learned; `weft install` finds them.'),
  dns: z.strictObject({
    addresses: z.array(z.string()).min(1).max(2).default(['10.96.0.10']).describe("Cluster IPs of the DNS Service, as kubelet's `clusterDNS`: one of each address family."),
    zone: z.string().default('cluster.local').describe("As kubelet's `clusterDomain`."),
  }).prefault({}).describe('The DNS of the cluster.'),
  cni: z.strictObject({
    binDir: z.string().default('/opt/cni/bin').describe('Where the container runtime looks for plugins.'),
    confDir: z.string().default('/etc/cni/net.d').describe('Where it looks for networks.'),
  }).prefault({}).describe('Folders of the node.'),
  config: z.strictObject({
    agent: configSchema.describe('Merged over the configuration of the agent.'),
    dns: configSchema.describe('Merged over the configuration of the DNS server.'),
    controller: configSchema.describe('Merged over the configuration of the controller.'),
  }).prefault({}).describe('Any key of docs/reference/config.md.'),
  controller: z.strictObject({
    replicas: z.int().min(1).default(2).describe('One leads, the others take over. 1 for a cluster of one node: two on one node would want the same port.'),
  }).prefault({}).describe('The controller.'),
  rollout: z.strictObject({
    maxUnavailable: z.union([z.int().min(1), z.string()]).default('10%').describe('How many nodes are upgraded at a time; traffic flows meanwhile, new pods wait.'),
  }).prefault({}).describe('Upgrades of the agents.'),
  monitoring: z.strictObject({
    listen: z.string().default('127.0.0.1').describe("Address of the node that answers `/metrics` and the kubelet's probes: ports 9153 (DNS), 9154 (agent) and 9155 (controller). `'[::]'` or `0.0.0.0` lets Prometheus in, and everybody else who reaches the node."),
    serviceMonitor: z.boolean().default(false).describe('Tell the Prometheus operator of them; needs `listen` to be reachable.'),
    dashboard: z.boolean().default(false).describe('A board for Grafana, in a ConfigMap with the label `grafana_dashboard`.'),
  }).prefault({}).describe('Metrics.'),
})
