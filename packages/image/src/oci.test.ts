import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { layerOf } from './layer.ts'
import { imageArchive } from './oci.ts'
import { platforms } from './platform.ts'
import { unpackTar } from './tar.ts'

const layers = ['one', 'two'].map((text) => layerOf([{ kind: 'file', path: text, mode: 0o644, content: Buffer.from(text) }]))
const image = imageArchive({ name: 'weft.dev/weft:1.2.3', platform: platforms['linux/arm64'], layers, config: { Cmd: ['weft'], Env: [], WorkingDir: '/', Labels: {} } })
const files = new Map(unpackTar(image.archive).flatMap((entry) => (entry.kind === 'file' ? [[entry.path, Buffer.from(entry.content)]] : [])))
const json = (path: string): never => JSON.parse(files.get(path)!.toString()) as never
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

interface Descriptor { readonly digest: string, readonly size: number, readonly annotations?: Readonly<Record<string, string>>, readonly platform?: object }

describe('imageArchive()', () => {
  test('names every blob by its content', () => {
    const blobs = [...files].filter(([path]) => path.startsWith('blobs/'))
    expect(blobs).toHaveLength(4)
    for (const [path, bytes] of blobs) expect(path).toBe(`blobs/sha256/${sha256(bytes)}`)
  })

  test('is an OCI layout: index, manifest, configuration and layers agree', () => {
    const { manifests: [entry] } = json('index.json') as { manifests: Descriptor[] }
    expect(entry).toMatchObject({ digest: image.digest, platform: { os: 'linux', architecture: 'arm64' }, annotations: { 'io.containerd.image.name': 'weft.dev/weft:1.2.3', 'org.opencontainers.image.ref.name': '1.2.3' } })
    const manifest = json(`blobs/sha256/${image.digest.slice(7)}`) as { config: Descriptor, layers: Descriptor[] }
    for (const { digest, size } of [entry!, manifest.config, ...manifest.layers]) expect(files.get(`blobs/sha256/${digest.slice(7)}`)!).toHaveLength(size)
    const config = json(`blobs/sha256/${manifest.config.digest.slice(7)}`) as { rootfs: { diff_ids: string[] } }
    expect(config.rootfs.diff_ids).toEqual(manifest.layers.map(({ digest }) => `sha256:${sha256(gunzipSync(files.get(`blobs/sha256/${digest.slice(7)}`)!))}`))
  })

  test('is a `docker save`: manifest.json names the same blobs', () => {
    const [saved] = json('manifest.json') as { Config: string, RepoTags: string[], Layers: string[] }[]
    expect(saved).toEqual({ Config: `blobs/sha256/${image.id.slice(7)}`, RepoTags: ['weft.dev/weft:1.2.3'], Layers: layers.map(({ digest }) => `blobs/sha256/${digest.slice(7)}`) })
  })
})
