import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packTar, type TarEntry } from './tar.ts'

/** Bytes with the name OCI gives them. */
export interface Blob {
  readonly digest: string
  readonly bytes: Buffer
}

export interface Layer extends Blob {
  /** Digest of the archive before compression. */
  readonly diffId: string
}

export function blobOf(bytes: Buffer): Blob {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes }
}

/** A layer depends on its entries only, not on their order; folders above them are added. */
export function layerOf(entries: readonly TarEntry[]): Layer {
  const archive = packTar(arrange(entries))
  // gzip's header of zlib has neither a name nor a time.
  return { ...blobOf(gzipSync(archive, { level: 6 })), diffId: blobOf(archive).digest }
}

/** Entries sorted by path, each after the folders it is in. */
export function arrange(entries: readonly TarEntry[]): readonly TarEntry[] {
  const byPath = new Map<string, TarEntry>()
  for (const entry of entries) {
    for (let folder = dirname(entry.path); folder !== '.'; folder = dirname(folder)) if (!byPath.has(folder)) byPath.set(folder, { kind: 'folder', path: folder, mode: 0o755 })
    byPath.set(entry.path, entry)
  }
  return [...byPath.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1))
}
