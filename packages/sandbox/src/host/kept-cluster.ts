import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { SandboxError } from '../errors.ts'
import type { AddressFamilies } from '../underlay/topology.ts'
import { removeCluster, stateFolder, type StateFolder } from './state-folder.ts'

/** The shape of a cluster whose objects are kept: addresses and nodes in them fit no other. */
export interface KeptCluster {
  readonly nodes: number
  readonly family: AddressFamilies
  /** Of the API server on 127.0.0.1, so that copies of the kubeconfig stay good. */
  readonly port: number
}

function fileOf(folder: StateFolder): string {
  return `${folder.cluster}/cluster.json`
}

/** The cluster of a folder; undefined when none was ever ready there. */
export function readKept(folder: StateFolder): KeptCluster | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(folder), 'utf8')) as KeptCluster
  } catch {
    return undefined
  }
}

/** The cluster that the next start in a folder goes on with; undefined when it makes a new one. */
export function keptCluster(stateDir: string): KeptCluster | undefined {
  return readKept(stateFolder(stateDir))
}

/** Says that the cluster is complete: from now on its objects outlive the processes. */
export function writeKept(folder: StateFolder, kept: KeptCluster): void {
  const temporary = `${fileOf(folder)}.new`
  writeFileSync(temporary, `${JSON.stringify(kept)}\n`, { mode: 0o600 })
  renameSync(temporary, fileOf(folder))
}

/**
 * The cluster to go on with, if there is one. What a start left that never became ready is removed.
 *
 * @throws {SandboxError} `ERR_SANDBOX_KEPT` when another shape is asked for than it has.
 */
export function resumable(folder: StateFolder, asked: { readonly nodes?: number | undefined, readonly family?: AddressFamilies | undefined }): KeptCluster | undefined {
  const kept = readKept(folder)
  if (kept === undefined) {
    removeCluster(folder)
    return undefined
  }
  if ((asked.nodes ?? kept.nodes) === kept.nodes && (asked.family ?? kept.family) === kept.family) return kept
  throw new SandboxError('ERR_SANDBOX_KEPT', `Cannot start ${asked.nodes ?? kept.nodes} nodes (${asked.family ?? kept.family}) in "${folder.root}": the cluster kept there has ${kept.nodes} nodes (${kept.family}); start it without these options, or remove it with \`./weft down\``)
}
