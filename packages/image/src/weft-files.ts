import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildShim } from '@weft/plugin'
import { type Part, rename, sha512Of } from './base-files.ts'
import { bundle, programs } from './bundle.ts'
import { ImageError } from './image-error.ts'
import type { PlatformLock } from './lock.ts'
import { npmFiles } from './npm.ts'
import { hostPlatform, type Platform } from './platform.ts'
import type { Component } from './sbom.ts'
import type { TarEntry } from './tar.ts'

/** Where the bundles are in the image. */
const folder = 'usr/lib/weft'

/** The bundles, the CNI plugin, koffi's native file, and the licences of what is inside them. */
export async function weftFiles(root: string, { lock, platform, cacheDir }: { readonly lock: PlatformLock, readonly platform: Platform, readonly cacheDir: string }): Promise<Part> {
  const outDir = await mkdtemp(join(tmpdir(), 'weft-bundle-'))
  try {
    const { files, packages } = await bundle({ root, outDir })
    const entries: TarEntry[] = []
    const add = (path: string, mode: number, content: Uint8Array): unknown => entries.push({ kind: 'file', path, mode, content })

    for (const name of files) add(`${folder}/${name}`, name.replace('.js', '') in programs ? 0o755 : 0o644, await readFile(join(outDir, name)))
    add(`${folder}/package.json`, 0o644, Buffer.from('{"type":"module"}\n'))
    for (const name of Object.keys(programs)) entries.push({ kind: 'link', path: `usr/bin/${name}`, target: `../lib/weft/${name}.js` })

    const koffi = await npmFiles(lock.koffi, cacheDir)
    entries.push(rename(koffi, `linux_${platform.node}/koffi.node`, `${folder}/koffi.node`, 0o644))
    add(`${folder}/weft-cni`, 0o755, await readFile(await compiledShim(root, { cacheDir, platform })))

    add('usr/share/doc/weft/LICENSE', 0o644, await readFile(join(root, 'LICENSE')))
    for (const { name, folder: installed } of packages) {
      for (const file of (await readdir(installed)).filter((each) => /^(licen[cs]e|notice)/i.test(each)).toSorted()) add(`usr/share/doc/${name}/${file}`, 0o644, await readFile(join(installed, file)))
    }
    const components: Component[] = packages.map(({ name, version, licence }) => ({ name, version, licence, purl: `pkg:npm/${name.replace('@', '%40')}@${version}` }))
    components.push({ name: lock.koffi.name, version: lock.koffi.version, licence: 'MIT', purl: `pkg:npm/${lock.koffi.name.replace('@', '%40')}@${lock.koffi.version}`, checksum: sha512Of(lock.koffi.integrity) })
    return { entries, components }
  } finally {
    await rm(outDir, { recursive: true })
  }
}

/** A pod's node has no Node: in an image the plugin is the compiled one, never its twin. */
async function compiledShim(root: string, { cacheDir, platform }: { readonly cacheDir: string, readonly platform: Platform }): Promise<string> {
  const compiler = platform === hostPlatform ? 'cc' : platform.crossCompiler
  const shim = await buildShim(join(cacheDir, `shim-${platform.architecture}`), { compiler, arch: platform.node, source: join(root, 'packages/plugin/shim/weft-cni.c') })
  if (shim.kind === 'binary') return shim.path
  const remedy = platform === hostPlatform ? 'install a C compiler with a static libc (Debian: gcc, libc6-dev)' : `install a cross compiler with a static libc (Debian: gcc-${platform.triplet.replace('_', '-')}, libc6-dev-${platform.architecture}-cross)`
  throw new ImageError('ERR_IMAGE_COMPILER', `Cannot compile the CNI plugin for ${platform.name} with "${compiler}": ${shim.reason}; ${remedy}`)
}
