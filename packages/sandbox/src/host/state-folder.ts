import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { SandboxError } from '../errors.ts'

/** Everything a sandbox keeps on disk, all below one folder of mode 0700. */
export interface StateFolder {
  readonly root: string
  /** Who runs, for `down` and `status` (0600). */
  readonly stateFile: string
  /** HTTP over a unix socket (0600): see control/protocol.ts. */
  readonly controlSocket: string
  readonly kubeconfig: string
  /** Logs stay after `down`, until the next `up`. */
  readonly logs: string
  /** What the API server keeps: objects and credentials (0700). It outlives the sandbox until {@link removeCluster}. */
  readonly cluster: string
  /** Mount point of the private tmpfs: network namespaces, node folders, pod folders. Empty as seen from the host. */
  readonly run: string
}

// sun_path holds 108 bytes with its final zero; the longest socket below the folder is run/<node>/<12 characters>.
const longestRoot = 107 - '/run/123456789012/admin.sock12'.length

/**
 * Names the files of a state folder.
 *
 * @throws {SandboxError} `ERR_SANDBOX_STATE_FOLDER` for a path that sockets or fstab lines cannot carry.
 */
export function stateFolder(dir: string): StateFolder {
  const root = resolve(dir)
  if (Buffer.byteLength(root) > longestRoot) {
    throw new SandboxError('ERR_SANDBOX_STATE_FOLDER', `Cannot use state folder "${root}": its path has ${Buffer.byteLength(root)} bytes, unix sockets leave room for ${longestRoot}`)
  }
  if (/[\\\n"#]/.test(root)) {
    throw new SandboxError('ERR_SANDBOX_STATE_FOLDER', `Cannot use state folder "${root}": its path has a backslash, quote, hash or line break`)
  }
  return {
    root,
    stateFile: `${root}/state.json`,
    controlSocket: `${root}/control.sock`,
    kubeconfig: `${root}/kubeconfig`,
    logs: `${root}/logs`,
    cluster: `${root}/cluster`,
    run: `${root}/run`,
  }
}

/** Removes what points to processes that are gone; logs and the cluster's objects stay. */
export function clearStateFolder(folder: StateFolder): void {
  for (const path of [folder.stateFile, folder.controlSocket, folder.kubeconfig]) rmSync(path, { force: true })
  // Only plain leftovers can be here: what a sandbox wrote below run/ lived on its tmpfs.
  rmSync(folder.run, { recursive: true, force: true })
}

/** Removes the cluster's objects: the next start makes a new cluster. */
export function removeCluster(folder: StateFolder): void {
  rmSync(folder.cluster, { recursive: true, force: true })
}
