// Read first: OCI Image Format Specification 1.1 (image-layout, manifest, config); the `manifest.json` is Docker's.
import { blobOf, type Blob, type Layer } from './layer.ts'
import type { Platform } from './platform.ts'
import { packTar, type TarEntry } from './tar.ts'

export interface ImageSpec {
  /** With its tag, e.g. `weft.dev/weft:0.1.0`. */
  readonly name: string
  readonly platform: Platform
  readonly layers: readonly Layer[]
  readonly config: { readonly Cmd: readonly string[], readonly Env: readonly string[], readonly WorkingDir: string, readonly Labels: Readonly<Record<string, string>> }
}

export interface ImageArchive {
  /** Of the manifest: what registries and runtimes call the image's digest. */
  readonly digest: string
  /** Of the configuration: what Docker calls its id. */
  readonly id: string
  readonly archive: Buffer
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/** One archive that is an OCI layout for containerd and a `docker save` for Docker, with the same blobs. */
export function imageArchive({ name, platform, layers, config }: ImageSpec): ImageArchive {
  const { architecture } = platform
  const image = blobOf(json({
    // Two builds are equal: the image has no birthday.
    created: '1970-01-01T00:00:00Z',
    architecture,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'weft image build' })),
  }))
  const descriptor = (mediaType: string, { digest, bytes }: Blob): object => ({ mediaType, digest, size: bytes.length })
  const manifest = blobOf(json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', image),
    layers: layers.map((layer) => descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer)),
  }))
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{
      ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
      platform: { architecture, os: 'linux' },
      annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1) },
    }],
  }
  const pathOf = ({ digest }: Blob): string => `blobs/${digest.replace(':', '/')}`
  const file = (path: string, content: Uint8Array): TarEntry => ({ kind: 'file', path, mode: 0o644, content })
  const archive = packTar([
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    file('index.json', json(index)),
    file('manifest.json', json([{ Config: pathOf(image), RepoTags: [name], Layers: layers.map(pathOf) }])),
    { kind: 'folder', path: 'blobs', mode: 0o755 },
    { kind: 'folder', path: 'blobs/sha256', mode: 0o755 },
    ...[manifest, image, ...layers].map((blob) => file(pathOf(blob), blob.bytes)),
  ])
  return { digest: manifest.digest, id: image.digest, archive }
}
