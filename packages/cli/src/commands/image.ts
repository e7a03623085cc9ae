import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { buildImage, type ImageOptions, type PlatformName, platforms, writeRootfs } from '@weft/image'
import { root, stateDir } from '../paths.ts'
import { version } from '../version.ts'

export interface BuildImageOptions {
  /** Of the archive; absent with `rootfs`. */
  readonly output: string
  readonly platform: PlatformName
  /** Without tag. */
  readonly name: string
  readonly tag?: string | undefined
  readonly rootfs?: string | undefined
  readonly json: boolean
}

/** Writes the image as an archive that containerd, kind and Docker load, or as a folder for `docker build` to copy. */
export async function imageBuild({ output, platform, name, tag = version, rootfs, json }: BuildImageOptions): Promise<number> {
  const options: ImageOptions = { root, platform: platforms[platform], name, version: tag, cacheDir: join(stateDir, 'image') }
  if (rootfs !== undefined) {
    await writeRootfs(options, resolve(rootfs))
    process.stdout.write(json ? `${JSON.stringify({ rootfs: resolve(rootfs) })}\n` : `${rootfs}\n`)
    return 0
  }
  const { digest, id, archive, compressedBytes } = await buildImage(options)
  await mkdir(dirname(resolve(output)), { recursive: true })
  await writeFile(output, archive)
  const summary = { image: `${name}:${tag}`, platform, digest, id, bytes: archive.length, compressedBytes, path: resolve(output) }
  process.stdout.write(json ? `${JSON.stringify(summary)}\n` : `${summary.image} (${platform}) ${digest}, ${(compressedBytes / 1e6).toFixed(1)} MB, in ${output}\n`)
  return 0
}
