import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildImage, type ImageOptions } from './build-image.ts'
import { ImageError } from './image-error.ts'
import type { ImageArchive } from './oci.ts'
import { hostPlatform } from './platform.ts'
import { unpackTar } from './tar.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const options: ImageOptions = { root, platform: hostPlatform, name: 'weft.dev/weft', version: '0.0.0-test', cacheDir: join(root, '.weft/image') }

/** The first build fetches packages, which a machine without a network or without apt cannot. */
async function firstBuild(): Promise<(ImageArchive & { readonly compressedBytes: number }) | string> {
  try {
    return await buildImage(options)
  } catch (error) {
    if (error instanceof ImageError && error.code !== 'ERR_IMAGE_CONTENT') return error.message
    throw error
  }
}

const image = await firstBuild()
const reason = typeof image === 'string' ? ` [skipped: The image cannot be built: ${image}]` : ''

describe.skipIf(typeof image === 'string')(`the image${reason}`, { timeout: 240_000 }, () => {
  const { archive, digest, compressedBytes } = image as Exclude<typeof image, string>
  const folder = mkdtempSync(join(tmpdir(), 'weft-image-'))
  beforeAll(() => unpack(archive, folder))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('I1 two builds give one digest', async () => {
    expect((await buildImage(options)).digest).toBe(digest)
  })

  test('I6 has at most 75 MB compressed', () => {
    expect(compressedBytes).toBeLessThanOrEqual(75e6)
  })

  test('I3 has a bill of materials, and the licence of everything in it', () => {
    const { packages } = JSON.parse(readFileSync(join(folder, 'usr/share/doc/weft/sbom.spdx.json'), 'utf8')) as { packages: { name: string, licenseDeclared: string, externalRefs?: { referenceLocator: string }[] }[] }
    const purls = packages.flatMap(({ externalRefs = [] }) => externalRefs.map(({ referenceLocator }) => referenceLocator))
    for (const part of [/^pkg:npm\/node-linux-/, /^pkg:npm\/undici@/, /^pkg:npm\/%40koromix\/koffi-/, /^pkg:deb\/debian\/libc6@/]) expect(purls.some((purl) => part.test(purl)), String(part)).toBe(true)
    const silent = packages.filter(({ name, licenseDeclared }) => name !== options.name && licenseDeclared === 'NOASSERTION' && !existsSync(join(folder, 'usr/share/doc', name.startsWith('lib') && !existsSync(join(folder, 'usr/share/doc', name)) ? 'gcc-12-base' : name)))
    expect(silent.map(({ name }) => name)).toEqual([])
  })

  test('I4 has no shell and no package manager', () => {
    for (const program of ['sh', 'bash', 'npm', 'dpkg', 'apt-get']) expect(existsSync(join(folder, 'usr/bin', program)), program).toBe(false)
  })

  test('I5 every program runs in it, with a read-only root: its libraries, threads and native parts are all there', () => {
    const run = (command: string): string => inRoot(folder, command)
    expect(run('weft --version')).toMatch(/^\d+\.\d+\.\d+/)
    // Native code, and a worker thread in a namespace of its own.
    expect(run('weft check')).toContain('nf_tables inet')
    for (const program of ['weft-agent', 'weft-controller', 'weft-dns', 'weft-proxy', 'weft-policy', 'weft-overlay', 'weft-cni', 'weft-ipam']) expect(run(`${program} --config /nowhere.yaml`), program).toContain("ENOENT: no such file or directory, open '/nowhere.yaml'")
    expect(run('/usr/lib/weft/weft-cni')).toContain('CNI protocol versions supported')
    // Without a compiler: the plugin of the image, not its twin, which needs Node on the node.
    mkdirSync(join(folder, 'plugins'))
    inRoot(folder, 'weft-ipam install --bin-dir /plugins', { writable: 'plugins' })
    expect(readFileSync(join(folder, 'plugins/weft-ipam'))).toEqual(readFileSync(join(folder, 'usr/lib/weft/weft-cni')))
  })

  test('LIFE-16: its init container places the plugin and makes the node forward, and nothing else', () => {
    writeFileSync(join(folder, 'agent.yaml'), 'sysctlFolder: /proc/sys\n')
    mkdirSync(join(folder, 'bin-dir'))
    const printed = inRoot(folder, 'weft-prepare-node --config /agent.yaml --bin-dir /bin-dir', { writable: 'bin-dir', before: 'export NODE_NAME=n1; echo 0 >/proc/sys/net/ipv4/ip_forward', after: 'cat /proc/sys/net/ipv4/ip_forward' })
    expect(printed).toMatch(/"msg":"node prepared"\}\n1\n$/)
    expect(execFileSync(join(folder, 'bin-dir/weft-cni'), { env: { CNI_COMMAND: 'VERSION' }, encoding: 'utf8' })).toContain('1.1.0')
    expect(readFileSync(join(folder, 'bin-dir/weft-cni.conf'), 'utf8')).toBe('socket=/run/weft/cni.sock\nspool=/var/lib/cni/weft/cni-spool\n')
  })
})

function unpack(archive: Buffer, folder: string): void {
  const files = new Map(unpackTar(archive).flatMap((entry) => (entry.kind === 'file' ? [[entry.path, entry.content]] : [])))
  const [{ Layers }] = JSON.parse(Buffer.from(files.get('manifest.json')!).toString()) as [{ Layers: string[] }]
  for (const entry of Layers.flatMap((path) => unpackTar(gunzipSync(files.get(path)!)))) {
    const path = join(folder, entry.path)
    mkdirSync(dirname(path), { recursive: true })
    if (entry.kind === 'folder') mkdirSync(path, { recursive: true })
    else if (entry.kind === 'link') symlinkSync(entry.target, path)
    else writeFileSync(path, entry.content)
    if (entry.kind === 'file') chmodSync(path, entry.mode)
  }
}

/** What a command in the image prints, in a network of its own, with the root read-only; how it ends does not matter. */
function inRoot(folder: string, command: string, { writable, before = 'true', after = 'true' }: { readonly writable?: string, readonly before?: string, readonly after?: string } = {}): string {
  const mounts = [
    `mount --rbind ${folder} ${folder}`, `cd ${folder}`, 'mount --rbind /proc proc', 'mount --rbind /dev dev',
    ...(writable === undefined ? [] : [`mount --bind ${writable} ${writable}`]),
    `mount -o remount,bind,ro ${folder}`,
  ]
  const script = `set -e; ${mounts.join('; ')}; ${before}; chroot ${folder} ${command} 2>&1 || true; ${after}`
  const { NODE_EXTRA_CA_CERTS: _, NODE_OPTIONS: __, NODE_COMPILE_CACHE: ___, ...env } = process.env
  return execFileSync('unshare', ['--net', '--mount', '--propagation', 'private', 'sh', '-c', script], { env: { ...env, PATH: `${env['PATH']}:/usr/bin:/usr/sbin:/sbin` }, encoding: 'utf8' })
}
