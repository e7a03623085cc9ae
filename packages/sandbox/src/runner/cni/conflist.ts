// Read first: https://github.com/containernetworking/cni/blob/main/SPEC.md (1.1.0), sections 1 and 3.
import { readdirSync, readFileSync } from 'node:fs'
import { messageOf, SandboxError } from '../../errors.ts'

export interface CniPluginConfig {
  readonly type: string
  readonly capabilities?: Readonly<Record<string, boolean>> | undefined
  readonly [key: string]: unknown
}

export interface CniConflist {
  /** The highest version that both the configuration and this runtime know. */
  readonly cniVersion: string
  readonly cniVersions?: readonly string[] | undefined
  readonly name: string
  readonly disableCheck?: boolean | undefined
  readonly disableGC?: boolean | undefined
  readonly plugins: readonly CniPluginConfig[]
}

/** Newest version of the specification that this runtime speaks. */
const newestVersion = '1.1.0'

/**
 * The network of a node: the first conflist of its folder by name, as container runtimes choose it.
 *
 * @returns Undefined when the folder has none.
 * @throws {SandboxError} `ERR_SANDBOX_CNI` when the first one cannot be used.
 */
export function readConflist(folder: string): CniConflist | undefined {
  let files: string[]
  try {
    files = readdirSync(folder)
  } catch {
    return undefined
  }
  const file = files.filter((name) => name.endsWith('.conflist')).sort()[0]
  return file === undefined ? undefined : parseConflist(readFileSync(`${folder}/${file}`, 'utf8'), `${folder}/${file}`)
}

export function parseConflist(text: string, source: string): CniConflist {
  const refuse = (why: string): SandboxError => new SandboxError('ERR_SANDBOX_CNI', `Cannot use network configuration "${source}": ${why}`)
  let list: CniConflist
  try {
    list = JSON.parse(text)
  } catch (error) {
    throw refuse(messageOf(error))
  }
  if (typeof list !== 'object' || list === null || typeof list.name !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(list.name)) throw refuse('it has no valid name')
  if (!Array.isArray(list.plugins) || list.plugins.length === 0) throw refuse('it has no plugins')
  if (!list.plugins.every((plugin: { type?: unknown } | null) => typeof plugin?.type === 'string' && !plugin.type.includes('/'))) throw refuse('a plugin has no valid type')
  const offered = [list.cniVersion ?? '0.1.0', ...(list.cniVersions ?? [])].filter((version) => isAtLeast(newestVersion, version))
  if (offered.length === 0) throw refuse(`it needs CNI ${list.cniVersion}, this runtime knows ${newestVersion} and older`)
  return { ...list, cniVersion: offered.reduce((best, version) => (isAtLeast(version, best) ? version : best)) }
}

/** Whether a configuration's version is at least `wanted`, e.g. `1.1.0` for GC and STATUS. */
export function isAtLeast(version: string, wanted: string): boolean {
  const left = version.split('.').map(Number)
  for (const [index, part] of wanted.split('.').map(Number).entries()) if ((left[index] ?? 0) !== part) return (left[index] ?? 0) > part
  return true
}
