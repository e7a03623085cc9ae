import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { baseFiles, type Part } from './base-files.ts'
import { arrange, type Layer, layerOf } from './layer.ts'
import { readLock } from './lock.ts'
import { npmFiles } from './npm.ts'
import { imageArchive, type ImageArchive } from './oci.ts'
import type { Platform } from './platform.ts'
import { formatSbom } from './sbom.ts'
import type { TarEntry } from './tar.ts'
import { weftFiles } from './weft-files.ts'

export interface ImageOptions {
  /** The repository. */
  readonly root: string
  readonly platform: Platform
  /** Of the image, without tag. */
  readonly name: string
  readonly version: string
  /** What was fetched and compressed is kept here, by hash. */
  readonly cacheDir: string
}

export interface ImageParts {
  readonly base: readonly TarEntry[]
  readonly weft: readonly TarEntry[]
}

/** Everything an image contains, in two layers: what others made, and what we made. */
export async function imageParts({ root, platform, name, version, cacheDir }: ImageOptions): Promise<ImageParts> {
  const lock = (await readLock(root))[platform.name]
  const base: Part = await baseFiles(lock, platform, cacheDir)
  const weft: Part = await weftFiles(root, { lock, platform, cacheDir })
  const own = { name: 'weft', version, licence: 'Apache-2.0', purl: `pkg:generic/weft@${version}` }
  const sbom = formatSbom({ name, version }, [own, ...base.components, ...weft.components])
  return { base: base.entries, weft: [...weft.entries, { kind: 'file', path: 'usr/share/doc/weft/sbom.spdx.json', mode: 0o644, content: Buffer.from(sbom) }] }
}

/** Fetches what others made, for a build that has no network. */
export async function fetchParts({ root, platform, cacheDir }: Pick<ImageOptions, 'root' | 'platform' | 'cacheDir'>): Promise<void> {
  const lock = (await readLock(root))[platform.name]
  await baseFiles(lock, platform, cacheDir)
  await npmFiles(lock.koffi, cacheDir)
}

/** The image as one archive; see {@link imageArchive}. */
export async function buildImage(options: ImageOptions): Promise<ImageArchive & { readonly compressedBytes: number }> {
  const { base, weft } = await imageParts(options)
  const layers = [await keptLayer(base, options.cacheDir), layerOf(weft)]
  const image = imageArchive({
    name: `${options.name}:${options.version}`,
    platform: options.platform,
    layers,
    config: {
      Cmd: ['weft'],
      Env: ['PATH=/usr/bin'],
      WorkingDir: '/',
      Labels: {
        'org.opencontainers.image.title': 'weft',
        'org.opencontainers.image.description': 'Whole-cluster Kubernetes network',
        'org.opencontainers.image.version': options.version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
    },
  })
  return { ...image, compressedBytes: layers.reduce((sum, { bytes }) => sum + bytes.length, 0) }
}

/** Writes the same content as a folder, for `docker build` to copy. The folder must not have any of it yet. */
export async function writeRootfs(options: ImageOptions, folder: string): Promise<void> {
  const { base, weft } = await imageParts(options)
  for (const entry of arrange([...base, ...weft])) {
    const path = join(folder, entry.path)
    await mkdir(dirname(path), { recursive: true })
    if (entry.kind === 'folder') await mkdir(path, { recursive: true })
    else if (entry.kind === 'link') await symlink(entry.target, path)
    else await writeFile(path, entry.content, { flag: 'wx' })
    // Not the mode of `writeFile`: that one is subject to the umask.
    if (entry.kind !== 'link') await chmod(path, entry.mode)
  }
}

/** Compressing Node takes most of the time of a build: the layer is kept, named by the hash of its content. */
async function keptLayer(entries: readonly TarEntry[], cacheDir: string): Promise<Layer> {
  const hash = createHash('sha256').update(process.versions.zlib)
  for (const entry of arrange(entries)) hash.update(JSON.stringify({ ...entry, content: undefined })).update(entry.kind === 'file' ? entry.content : '')
  const path = join(cacheDir, `layer-${hash.digest('hex')}`)
  try {
    const { digest, diffId } = JSON.parse(await readFile(`${path}.json`, 'utf8')) as Layer
    const bytes = await readFile(`${path}.tar.gz`)
    if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` === digest) return { digest, diffId, bytes }
  } catch {
    // Not there, or not whole: it is made again.
  }
  const layer = layerOf(entries)
  await mkdir(cacheDir, { recursive: true })
  await writeFile(`${path}.tar.gz`, layer.bytes)
  await writeFile(`${path}.${process.pid}.tmp`, JSON.stringify({ digest: layer.digest, diffId: layer.diffId }))
  await rename(`${path}.${process.pid}.tmp`, `${path}.json`)
  return layer
}
