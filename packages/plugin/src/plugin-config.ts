import { messageOf } from '@weft/daemon/message-of'
import { CniError } from './cni-error.ts'
import { type CniResult, decodeResult } from './cni-result.ts'
import { type CniVersion, parseCniVersion } from './version.ts'

/** The configuration a runtime passes on stdin, as far as it means the same to every plugin. */
export interface PluginConfig {
  readonly cniVersion: CniVersion
  readonly name: string
  /** What came before in a list of plugins; with CHECK, the result of ADD. */
  readonly prevResult: CniResult | undefined
  /** GC only: what the runtime still knows; undefined if it did not say. */
  readonly validAttachments: readonly { readonly containerId: string, readonly ifname: string }[] | undefined
  /** All of it, for whoever reads more (CNI-13). */
  readonly fields: Readonly<Record<string, unknown>>
}

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

/**
 * Reads and checks the configuration (CNI-5, CNI-10).
 *
 * @throws {CniError} Code 6 for text that is not JSON, 1 for a version we do not speak, 7 for values that cannot be used.
 */
export function parsePluginConfig(stdin: Uint8Array): PluginConfig {
  const config = parsePluginIdentity(stdin)
  const prevResult = config.fields['prevResult'] ?? undefined
  return { ...config, prevResult: prevResult === undefined ? undefined : decodeResult(prevResult), validAttachments: readAttachments(config) }
}

/**
 * Reads of which network a configuration is and nothing else. For DEL: what was refused at ADD, or is no longer readable in the runtime's cache
 * (CNI-36), must not keep a pod from ending.
 *
 * @throws {CniError} As {@link parsePluginConfig}, save for values.
 */
export function parsePluginIdentity(stdin: Uint8Array): PluginConfig {
  const fields = parseJson(stdin)
  const cniVersion = parseCniVersion(fields['cniVersion'])
  const { name } = fields
  if (typeof name !== 'string' || name === '') throw new CniError('ERR_CNI_INVALID_CONFIG', 'missing network name')
  if (!namePattern.test(name)) throw new CniError('ERR_CNI_INVALID_CONFIG', `invalid characters found in network name: "${name}"`)
  return { cniVersion, name, prevResult: undefined, validAttachments: undefined, fields }
}

function readAttachments({ name, fields }: PluginConfig): PluginConfig['validAttachments'] {
  const key = 'cni.dev/valid-attachments'
  const list = fields[key] ?? undefined
  if (list === undefined) return undefined
  const wrong = (): CniError => new CniError('ERR_CNI_INVALID_CONFIG', `Cannot use network "${name}": ${key} is no list of {containerID, ifname}`)
  if (!Array.isArray(list)) throw wrong()
  return list.map((entry: unknown) => {
    const { containerID, ifname } = typeof entry === 'object' && entry !== null ? entry as Readonly<Record<string, unknown>> : {}
    if (typeof containerID !== 'string' || typeof ifname !== 'string') throw wrong()
    return { containerId: containerID, ifname }
  })
}

function parseJson(stdin: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(stdin).toString('utf8'))
  } catch (error) {
    throw new CniError('ERR_CNI_DECODE', `error unmarshall network config: ${messageOf(error)}`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CniError('ERR_CNI_DECODE', 'error unmarshall network config: it is not an object')
  return Object.fromEntries(Object.entries(value))
}
