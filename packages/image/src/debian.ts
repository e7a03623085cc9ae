import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ImageError } from './image-error.ts'
import type { DebianPackage } from './lock.ts'
import type { Platform } from './platform.ts'
import { runTool } from './run-tool.ts'
import { type TarEntry, unpackTar } from './tar.ts'

/**
 * apt with lists of its own for one architecture: it reads the machine's sources and keys, writes below `folder` only,
 * and needs no root.
 */
export class Apt {
  readonly #folder: string
  readonly #environment: NodeJS.ProcessEnv

  private constructor(folder: string, environment: NodeJS.ProcessEnv) {
    this.#folder = folder
    this.#environment = environment
  }

  static async open(folder: string, { architecture }: Pick<Platform, 'architecture'>): Promise<Apt> {
    const home = resolve(folder, `apt-${architecture}`)
    for (const each of ['state/lists/partial', 'cache/archives/partial', 'debs']) await mkdir(join(home, each), { recursive: true })
    await writeFile(join(home, 'status'), '')
    const config = join(home, 'apt.conf')
    await writeFile(config, [
      `Dir::State "${home}/state";`, `Dir::State::status "${home}/status";`, `Dir::Cache "${home}/cache";`,
      `APT::Architecture "${architecture}";`, `APT::Architectures { "${architecture}"; };`,
      'APT::Sandbox::User "";', 'Acquire::Languages "none";', 'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";', '',
    ].join('\n'))
    return new Apt(home, { ...process.env, APT_CONFIG: config, LC_ALL: 'C' })
  }

  async update(): Promise<void> {
    await runTool('apt-get', ['-q', 'update'], { env: this.#environment })
  }

  /** What `apt-cache show` says of the version apt would choose. */
  async candidate(name: string): Promise<DebianPackage> {
    const policy = String(await runTool('apt-cache', ['policy', name], { env: this.#environment }))
    const version = /^ {2}Candidate: (\S+)$/m.exec(policy)?.[1]
    const record = String(await runTool('apt-cache', ['show', `${name}=${version}`], { env: this.#environment }))
    const sha256 = /^SHA256: (\w+)$/m.exec(record)?.[1]
    if (version === undefined || sha256 === undefined) throw new ImageError('ERR_IMAGE_FETCH', `Cannot find Debian package "${name}": apt has no candidate for it`)
    return { name, version, sha256 }
  }

  /** Paths as in the package, below the root. */
  async files(wanted: DebianPackage): Promise<readonly TarEntry[]> {
    return unpackTar(await runTool('dpkg-deb', ['--fsys-tarfile', await this.#archive(wanted)]))
  }

  async #archive({ name, version, sha256 }: DebianPackage): Promise<string> {
    const path = join(this.#folder, 'debs', `${sha256}.deb`)
    if (await hashOf(path) === sha256) return path
    const folder = await mkdtemp(join(this.#folder, 'get-'))
    const download = (): Promise<Buffer> => runTool('apt-get', ['-q', 'download', `${name}=${version}`], { cwd: folder, env: this.#environment })
    try {
      await download().catch(async () => {
        await this.update()
        await download()
      })
      const file = join(folder, (await readdir(folder))[0]!)
      const found = await hashOf(file)
      if (found !== sha256) throw new ImageError('ERR_IMAGE_FETCH', `Cannot use Debian package "${name}=${version}": its SHA-256 is ${found}, wanted ${sha256}`)
      await rename(file, path)
      return path
    } catch (error) {
      throw error instanceof ImageError ? error : new ImageError('ERR_IMAGE_FETCH', `Cannot fetch Debian package "${name}=${version}": apt does not have this version; \`node -C dev scripts/lock-image.ts\` takes the current one`, { cause: error })
    } finally {
      await rm(folder, { recursive: true })
    }
  }
}

async function hashOf(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined)
  return bytes === undefined ? undefined : createHash('sha256').update(bytes).digest('hex')
}
