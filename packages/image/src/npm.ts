import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { ImageError } from './image-error.ts'
import type { NpmPackage } from './lock.ts'
import { runTool } from './run-tool.ts'
import { type TarEntry, unpackTar } from './tar.ts'

/**
 * Files of a package as it was published, paths below its own folder.
 *
 * @param cacheDir Where archives are kept, by hash.
 * @throws {ImageError} `ERR_IMAGE_FETCH` if it cannot be had or is not what the lock says.
 */
export async function npmFiles(wanted: NpmPackage, cacheDir: string): Promise<readonly TarEntry[]> {
  const archive = await npmArchive(wanted, cacheDir)
  return unpackTar(gunzipSync(archive)).map((entry) => ({ ...entry, path: entry.path.replace(/^[^/]+\//, '') }))
}

async function npmArchive({ name, version, integrity }: NpmPackage, cacheDir: string): Promise<Buffer> {
  const [algorithm, hash] = integrity.split('-', 2)
  const path = join(cacheDir, `${name.replaceAll('/', '+')}-${version}.tgz`)
  const intact = (bytes: Buffer | undefined): bytes is Buffer => bytes !== undefined && createHash(algorithm!).update(bytes).digest('base64') === hash
  const kept = await readFile(path).catch(() => undefined)
  if (intact(kept)) return kept
  await mkdir(cacheDir, { recursive: true })
  const folder = await mkdtemp(join(cacheDir, 'npm-'))
  try {
    const [packed] = JSON.parse(String(await runTool('npm', ['pack', `${name}@${version}`, '--json', '--ignore-scripts', '--loglevel=error', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000', '--pack-destination', folder], { cwd: folder }))) as { filename: string }[]
    const file = join(folder, packed!.filename)
    const bytes = await readFile(file)
    if (!intact(bytes)) throw new ImageError('ERR_IMAGE_FETCH', `Cannot use npm package "${name}@${version}": its hash is ${algorithm}-${createHash(algorithm!).update(bytes).digest('base64')}, wanted ${integrity}`)
    await rename(file, path)
    return bytes
  } catch (error) {
    throw error instanceof ImageError ? error : new ImageError('ERR_IMAGE_FETCH', `Cannot fetch npm package "${name}@${version}": npm failed`, { cause: error })
  } finally {
    await rm(folder, { recursive: true })
  }
}
