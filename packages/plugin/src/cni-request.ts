import { CniError } from './cni-error.ts'
import { type CniArgs, parseCniArgs } from './cni-args.ts'
import { type CallFrame, netnsErrorEntry } from './frame.ts'
import { parsePluginConfig, parsePluginIdentity, type PluginConfig } from './plugin-config.ts'
import { type CniVersion, isAtLeast } from './version.ts'

const cniCommands = ['ADD', 'DEL', 'CHECK', 'STATUS', 'GC', 'VERSION'] as const
type CniCommand = (typeof cniCommands)[number]

interface OfAttachment {
  readonly containerId: string
  readonly ifname: string
}

/** ADD or CHECK of one attachment. */
export interface AttachmentRequest<Config> extends OfAttachment {
  readonly command: 'ADD' | 'CHECK'
  /** Path. */
  readonly netns: string
  /** Why the shim could not open the namespace: `<errno> <text>`. */
  readonly netnsError: string | undefined
  readonly args: CniArgs
  readonly base: PluginConfig
  readonly config: Config
}

/** DEL has no use for what ADD could have been refused for, so nothing of it is read. */
export interface DetachRequest extends OfAttachment {
  readonly command: 'DEL'
  readonly base: PluginConfig
}

export type CniRequest<Config> = AttachmentRequest<Config> | DetachRequest | { readonly command: 'STATUS' | 'GC', readonly base: PluginConfig } | { readonly command: 'VERSION' }

const required: Readonly<Record<CniCommand, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  // GC and STATUS want CNI_PATH for the plugins they delegate to; we have none.
  GC: [],
  STATUS: [],
  VERSION: [],
}

const since: Readonly<Record<CniCommand, CniVersion>> = { ADD: '0.1.0', DEL: '0.1.0', CHECK: '0.4.0', STATUS: '1.1.0', GC: '1.1.0', VERSION: '0.1.0' }

/**
 * Reads and checks a call, in the order the reference does: command, environment, configuration, version (CNI-2 to CNI-13).
 *
 * @throws {CniError} With the specification's code.
 */
export function parseRequest<Config>({ environment, stdin }: CallFrame, readConfig: (config: PluginConfig) => Config): CniRequest<Config> {
  const command = environment.get('CNI_COMMAND') ?? ''
  if (!isCommand(command)) throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `unknown CNI_COMMAND: ${command}`)
  const missing = required[command].filter((name) => (environment.get(name) ?? '') === '')
  if (missing.length > 0) throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', `required env variables [${missing.join(',')}] missing`)
  if (command === 'VERSION') return { command }
  if (command === 'STATUS' || command === 'GC') return { command, base: configFor(command, stdin) }
  const containerId = checkContainerId(environment.get('CNI_CONTAINERID') ?? '')
  const ifname = checkIfname(environment.get('CNI_IFNAME') ?? '')
  if (command === 'DEL') return { command, containerId, ifname, base: configFor(command, stdin) }
  const args = parseCniArgs(environment.get('CNI_ARGS') ?? '')
  const base = configFor(command, stdin)
  return {
    command,
    containerId,
    ifname,
    netns: environment.get('CNI_NETNS') ?? '',
    netnsError: environment.get(netnsErrorEntry),
    args,
    base,
    config: readConfig(base),
  }
}

function isCommand(text: string): text is CniCommand {
  return cniCommands.some((command) => command === text)
}

function configFor(command: CniCommand, stdin: Uint8Array): PluginConfig {
  const config = command === 'DEL' ? parsePluginIdentity(stdin) : parsePluginConfig(stdin)
  if (!isAtLeast(config.cniVersion, since[command]))
    throw new CniError('ERR_CNI_INCOMPATIBLE_VERSION', `config version does not allow ${command}: it is ${config.cniVersion}, wanted ${since[command]} or later`)
  return config
}

/** CNI-5. */
function checkContainerId(text: string): string {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(text)) throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', 'invalid characters in containerID', { details: text })
  return text
}

/** CNI-6. */
function checkIfname(text: string): string {
  const problem = text.length > 15
    ? 'interface name is too long'
    : text === '.' || text === '..'
      ? 'interface name is . or ..'
      : /[/:\s]/.test(text) ? 'interface name contains / or : or whitespace characters' : undefined
  if (problem !== undefined) throw new CniError('ERR_CNI_INVALID_ENVIRONMENT', problem, { details: text })
  return text
}
