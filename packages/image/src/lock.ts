import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PlatformName } from './platform.ts'

/** A package of npm, with the hash its publisher gave it. */
export interface NpmPackage {
  readonly name: string
  readonly version: string
  /** As npm writes it: `sha512-<base64>`. */
  readonly integrity: string
}

/** A package of Debian. */
export interface DebianPackage {
  readonly name: string
  readonly version: string
  /** In hexadecimal, of the `.deb`. */
  readonly sha256: string
}

/** Everything of others that an image contains beside the bundles, by exact version and hash. */
export interface PlatformLock {
  readonly node: NpmPackage
  readonly koffi: NpmPackage
  readonly debian: readonly DebianPackage[]
}

/** `deploy/image/lock.json`; `scripts/lock-image.ts` writes it. */
export type ImageLock = Readonly<Record<PlatformName, PlatformLock>>

export const lockPath = 'deploy/image/lock.json'

export async function readLock(root: string): Promise<ImageLock> {
  return JSON.parse(await readFile(join(root, lockPath), 'utf8')) as ImageLock
}
