// The one place that knows how the programs of a node are started and what their configuration files say.
import { mkdirSync, writeFileSync } from 'node:fs'
import { serviceAccountUser, type User } from './apiserver/tls/credentials.ts'
import type { Program } from './inside/supervisor.ts'
import { inNetworkOf } from './inside/command.ts'
import type { ToolEnvironment } from './inside/tool-environment.ts'
import type { ProgramConfigs } from './launch-protocol.ts'
import { nodeCommand } from './program-files.ts'
import { type AddressFamilies, clusterRanges, ofFamilies, type UnderlayNode } from './underlay/topology.ts'

export interface ProgramSources {
  /** The sandbox's tmpfs; a node's folder is `<run>/<node>`. */
  readonly run: string
  readonly logs: string
  readonly family: AddressFamilies
  /** `https://<underlay address>:6443` */
  readonly server: string
  readonly caCertificate: string
  /** A token for a user of the API server. */
  readonly tokenFor: (user: User) => string
  readonly environment: ToolEnvironment
  /** Path of the compiled CNI plugin, or `twin` where there is no compiler. */
  readonly plugin: string
  /** Laid over what is said here. */
  readonly configs: ProgramConfigs
}

/** Where the programs of a node keep their things, all below `<run>/<node>`. */
export interface NodePaths {
  readonly folder: string
  readonly netns: string
  readonly cniConf: string
  readonly adminSocket: string
  readonly dnsSocket: string
}

export function nodePaths(run: string, node: string): NodePaths {
  const folder = `${run}/${node}`
  return { folder, netns: `${run}/netns/${node}`, cniConf: `${folder}/net.d`, adminSocket: `${folder}/agent.sock`, dnsSocket: `${folder}/dns.sock` }
}

/** The controller's admin socket. */
export function controllerSocket(run: string): string {
  return `${run}/controller/admin.sock`
}

/** Folder of CNI binaries of a node: the plugin's settings beside it name the node's agent. */
export function cniBinFolder(folder: string): string {
  return `${folder}/cni`
}

const agentCapabilities = '-all,+net_admin,+net_raw'

/** The programs of one node: agent and DNS, as their containers would run them. */
export function nodePrograms(node: UnderlayNode, sources: ProgramSources): Program[] {
  const { run, logs, environment } = sources
  const paths = nodePaths(run, node.name)
  const kube = (program: string): object => apiAccess(`${paths.folder}/${program}`, serviceAccountUser('kube-system', `weft-${program}`, node.name), sources)
  const program = (name: 'agent' | 'dns', capabilities: string, config: object): Program => {
    const file = writeConfig(`${paths.folder}/${name}.json`, overlaid(config, sources.configs[name]))
    const limited = ['setpriv', `--bounding-set=${capabilities}`, '--inh-caps=-all', '--no-new-privs', '--', ...nodeCommand(name), '--config', file]
    return { name: `${name} ${node.name}`, command: inNetworkOf(paths.netns, limited), environment: { ...environment, NODE_NAME: node.name }, logPath: `${logs}/${name}-${node.name}.log` }
  }
  return [
    program('agent', agentCapabilities, {
      nodeName: node.name,
      kube: { ...kube('agent'), serversPath: `${paths.folder}/api-servers.json` },
      adminSocket: paths.adminSocket,
      install: { binDir: cniBinFolder(paths.folder), confDir: paths.cniConf, plugin: sources.plugin },
      cni: { socketPath: `${paths.folder}/cni.sock`, spoolPath: `${paths.folder}/cni-spool` },
      ipam: { storePath: `${paths.folder}/attachments.db` },
      proxy: { serviceCidrs: ofFamilies(sources.family, clusterRanges.services) },
    }),
    program('dns', '-all', {
      kube: kube('dns'),
      adminSocket: paths.dnsSocket,
      dns: { reverseRanges: [...ofFamilies(sources.family, clusterRanges.pods), ...ofFamilies(sources.family, clusterRanges.services)] },
    }),
  ]
}

/** The programs of the cluster, which run in the sandbox's own namespace. */
export function clusterPrograms(sources: ProgramSources): Program[] {
  const folder = `${sources.run}/controller`
  const file = writeConfig(`${folder}/controller.json`, overlaid({
    identity: 'weft-controller',
    kube: apiAccess(folder, serviceAccountUser('kube-system', 'weft-controller'), sources),
    adminSocket: controllerSocket(sources.run),
  }, sources.configs.controller))
  const command = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', '--', ...nodeCommand('controller'), '--config', file]
  return [{ name: 'controller', command, environment: sources.environment, logPath: `${sources.logs}/controller.log` }]
}

function apiAccess(folder: string, user: User, { server, caCertificate, tokenFor }: ProgramSources): object {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(`${folder}/ca.crt`, caCertificate)
  writeFileSync(`${folder}/token`, tokenFor(user), { mode: 0o600 })
  return { servers: [server], credentialsFolder: folder }
}

/** Objects are laid over objects, everything else replaces. */
function overlaid(base: object, over: object = {}): object {
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const below = result[key]
    result[key] = isObject(below) && isObject(value) ? overlaid(below, value) : value
  }
  return result
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function writeConfig(path: string, config: object): string {
  writeFileSync(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 })
  return path
}
