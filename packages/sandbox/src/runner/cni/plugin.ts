import { collectOutput, inNetworkOf, spawnCommand } from '../../inside/command.ts'
import { SandboxError, messageOf } from '../../errors.ts'

export type CniCommand = 'ADD' | 'CHECK' | 'DEL' | 'GC' | 'STATUS'

export interface CniCall {
  readonly command: CniCommand
  /** Folders with plugins, in order. */
  readonly path: readonly string[]
  readonly type: string
  /** Written to standard input. */
  readonly config: object
  /** The attachment; absent for GC and STATUS. */
  readonly attachment?: CniAttachment | undefined
  /** Network namespace in which the plugin runs: its node's. */
  readonly nodeNetns: string
  readonly signal: AbortSignal
}

export interface CniAttachment {
  readonly containerId: string
  readonly netns: string
  readonly ifname: string
  /** `K8S_POD_NAME` and so on. */
  readonly args: Readonly<Record<string, string>>
}

/** The result of ADD, as the plugin printed it. */
export interface CniResult {
  readonly cniVersion?: string | undefined
  readonly ips?: readonly { readonly address: string, readonly gateway?: string | undefined, readonly interface?: number | undefined }[] | undefined
  readonly [key: string]: unknown
}

/** What a plugin answered when it refused. */
export class CniError extends SandboxError {
  /** Of the CNI specification; 11 means "try again later", 50 and 51 "not ready". */
  readonly cniCode: number

  constructor(command: CniCommand, type: string, { code, message }: { readonly code: number, readonly message: string }) {
    super('ERR_SANDBOX_CNI', `Cannot ${command} with CNI plugin "${type}": ${message} (code ${code})`)
    this.cniCode = code
  }
}

/** ADD may wait for the network to converge; nothing may wait for ever. */
const timeoutMs = 60_000

/**
 * Runs a plugin binary once.
 *
 * @returns What it printed; undefined for nothing.
 * @throws {CniError} When it refused, in its own words.
 */
export async function callPlugin(call: CniCall): Promise<CniResult | undefined> {
  const { command, type, attachment } = call
  // The binary is found by `execvp` along CNI_PATH, which saves looking for it.
  const path = call.path.join(':')
  const environment = {
    PATH: `${path}:${process.env['PATH'] ?? ''}`,
    CNI_COMMAND: command,
    CNI_PATH: path,
    ...(attachment === undefined ? {} : {
      CNI_CONTAINERID: attachment.containerId,
      CNI_NETNS: attachment.netns,
      CNI_IFNAME: attachment.ifname,
      CNI_ARGS: Object.entries({ IgnoreUnknown: '1', ...attachment.args }).map(([key, value]) => `${key}=${value}`).join(';'),
    }),
  }
  let output: Awaited<ReturnType<typeof collectOutput>>
  try {
    output = await collectOutput(spawnCommand(inNetworkOf(call.nodeNetns, [type]), { environment }), {
      stdin: JSON.stringify(call.config),
      signal: AbortSignal.any([call.signal, AbortSignal.timeout(timeoutMs)]),
    })
  } catch (error) {
    if (call.signal.aborted) throw call.signal.reason
    throw new CniError(command, type, { code: 999, message: `it could not be run or did not end: ${messageOf(error)}` })
  }
  const parsed = parse(output.stdout)
  if (output.code !== 0) {
    const { code, msg, details } = parsed ?? {}
    const message = [msg, details].filter((part) => typeof part === 'string' && part !== '').join(': ')
    throw new CniError(command, type, { code: typeof code === 'number' ? code : 999, message: message || output.stderr.trim() || `it ended with code ${output.code}` })
  }
  if (parsed === undefined && output.stdout.trim() !== '') throw new CniError(command, type, { code: 6, message: `it printed no JSON: ${output.stdout.slice(0, 200)}` })
  return parsed
}

function parse(text: string): CniResult | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
