import { basename } from 'node:path'
import { Apt } from './debian.ts'
import { ImageError } from './image-error.ts'
import type { PlatformLock } from './lock.ts'
import { npmFiles } from './npm.ts'
import type { Platform } from './platform.ts'
import type { Component } from './sbom.ts'
import type { TarEntry } from './tar.ts'

/** What Node and koffi link to, and what glibc loads by itself to resolve names. */
const libraries = /^(ld-linux[\w.-]*|lib(c|m|dl|pthread|rt|resolv|nss_dns|nss_files|gcc_s|stdc\+\+|atomic)\.so[\w.]*|lib(c|m|stdc\+\+|atomic)-?[\d.]*\.so[\w.]*)$/

/** No shell, no package manager: accounts, and how names are found. */
const etc: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/:/\nnobody:x:65534:65534:nobody:/:/\nnonroot:x:65532:65532:nonroot:/:/\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n',
  'etc/nsswitch.conf': 'hosts: files dns\n',
}

export interface Part {
  readonly entries: readonly TarEntry[]
  readonly components: readonly Component[]
}

/** Node and the C library: what changes with their versions only, and is shared by images of several versions of Weft. */
export async function baseFiles(lock: PlatformLock, platform: Platform, cacheDir: string): Promise<Part> {
  const apt = await Apt.open(cacheDir, platform)
  const entries: TarEntry[] = Object.entries(etc).map(([path, text]) => ({ kind: 'file', path, mode: 0o644, content: Buffer.from(text) }))
  const components: Component[] = []

  for (const link of ['bin', 'lib', 'lib64']) entries.push({ kind: 'link', path: link, target: `usr/${link}` })
  for (const folder of ['usr/lib64', 'proc', 'sys', 'dev', 'run', 'var']) entries.push({ kind: 'folder', path: folder, mode: 0o755 })
  entries.push({ kind: 'folder', path: 'tmp', mode: 0o777 })

  for (const each of lock.debian) {
    for (const entry of await apt.files(each)) {
      if (entry.kind === 'folder') continue
      // Older packages have /lib, newer ones /usr/lib; here /lib is a link.
      const path = entry.path.replace(/^(?=lib)/, 'usr/')
      const isLibrary = path.startsWith(`usr/lib/${platform.triplet}/`) && path.split('/').length === 4 && libraries.test(basename(path))
      if (isLibrary || path.startsWith('usr/share/doc/') && basename(path) === 'copyright' && entry.kind === 'file') entries.push({ ...entry, path })
    }
    components.push({ name: each.name, version: each.version, licence: 'NOASSERTION', purl: `pkg:deb/debian/${encodeURIComponent(each.name)}@${encodeURIComponent(each.version)}?arch=${platform.architecture}`, checksum: { algorithm: 'SHA256', value: each.sha256 } })
  }
  const loader = entries.find(({ path }) => path.startsWith(`usr/lib/${platform.triplet}/`) && basename(path) === basename(platform.loader))
  if (loader === undefined) throw new ImageError('ERR_IMAGE_CONTENT', `Cannot find the dynamic loader "${basename(platform.loader)}": no Debian package in the lock has it`)
  entries.push({ kind: 'link', path: platform.loader, target: `/${loader.path}` })

  const node = await npmFiles(lock.node, cacheDir)
  entries.push(rename(node, 'bin/node', 'usr/bin/node', 0o755), rename(node, 'LICENSE', 'usr/share/doc/node/LICENSE', 0o644))
  components.push({ name: 'node', version: lock.node.version, licence: 'NOASSERTION', purl: `pkg:npm/${lock.node.name}@${lock.node.version}`, checksum: sha512Of(lock.node.integrity) })
  return { entries, components }
}

export function rename(files: readonly TarEntry[], from: string, path: string, mode: number): TarEntry {
  const file = files.find((entry) => entry.path === from)
  if (file?.kind !== 'file') throw new ImageError('ERR_IMAGE_CONTENT', `Cannot find file "${from}": the package does not have it`)
  return { ...file, path, mode }
}

export function sha512Of(integrity: string): { readonly algorithm: 'SHA512', readonly value: string } {
  return { algorithm: 'SHA512', value: Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex') }
}
