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

  /** @param options.sources A file of sources instead of the machine's. */
  static async open(folder: string, { architecture }: Pick<Platform, 'architecture'>, options: { readonly sources?: string } = {}): Promise<Apt> {
    const home = resolve(folder, `apt-${architecture}`)
    for (const each of ['state/lists/partial', 'cache/archives/partial', 'debs']) await mkdir(join(home, each), { recursive: true })
    await writeFile(join(home, 'status'), '')
    const config = join(home, 'apt.conf')
    await writeFile(config, [
      `Dir::State "${home}/state";`, `Dir::State::status "${home}/status";`, `Dir::Cache "${home}/cache";`,
      `APT::Architecture "${architecture}";`, `APT::Architectures { "${architecture}"; };`,
      'APT::Sandbox::User "";', 'Acquire::Languages "none";', 'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
      ...options.sources === undefined ? [] : [`Dir::Etc::sourcelist "${options.sources}";`, 'Dir::Etc::sourceparts "/dev/null";'], '',
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

  async #archive(wanted: DebianPackage): Promise<string> {
    const { name, version, sha256 } = wanted
    const path = join(this.#folder, 'debs', `${sha256}.deb`)
    if (await hashOf(path) === sha256) return path
    const folder = await mkdtemp(join(this.#folder, 'get-'))
    try {
      await this.#download(wanted, folder)
      const file = join(folder, (await readdir(folder))[0]!)
      const found = await hashOf(file)
      if (found !== sha256) throw new ImageError('ERR_IMAGE_FETCH', `Cannot use Debian package "${name}=${version}": its SHA-256 is ${found}, wanted ${sha256}`)
      await rename(file, path)
      return path
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  /**
   * By the lists that are there; by new ones, where they are missing or old; at last from where the archive keeps the package's other
   * versions, for an archive forgets a version later than its lists do.
   */
  async #download(wanted: DebianPackage, folder: string): Promise<void> {
    const { name, version } = wanted
    const byVersion = async (): Promise<unknown> => await this.#run('apt-get', ['-q', 'download', `${name}=${version}`], folder)
    let reason = 'neither lists nor archive of apt have this version; `node -C dev scripts/lock-image.ts` takes the current one'
    const ways = [
      byVersion,
      async () => {
        // One source that fails is no reason to do without the others.
        await this.update().catch((error: unknown) => { reason = `apt cannot renew its lists (${lastError(error)}), and those it has do not name this version` })
        await byVersion()
      },
      async () => await this.#downloadBeside(wanted, folder),
    ]
    let cause: unknown
    for (const way of ways) {
      try {
        await way()
        return
      } catch (error) {
        cause = error
      }
    }
    throw new ImageError('ERR_IMAGE_FETCH', `Cannot fetch Debian package "${name}=${version}": ${reason}`, { cause })
  }

  async #downloadBeside({ name, version, sha256 }: DebianPackage, folder: string): Promise<void> {
    const printed = String(await this.#run('apt-get', ['-q', 'download', '--print-uris', name], folder))
    const [, base, architecture] = /^'(.*\/)[^/]*_(\w+)\.deb'/m.exec(printed) ?? []
    if (base === undefined) throw new ImageError('ERR_IMAGE_FETCH', `Cannot find Debian package "${name}": apt has no version of it`)
    // File names leave the epoch out.
    const file = `${name}_${version.replace(/^\d+:/, '')}_${architecture}.deb`
    await this.#run('/usr/lib/apt/apt-helper', ['download-file', `${base}${file}`, join(folder, file), `SHA256:${sha256}`], folder)
  }

  async #run(program: string, args: readonly string[], cwd: string): Promise<Buffer> {
    return await runTool(program, args, { cwd, env: this.#environment })
  }
}

/** What apt said last. */
function lastError(error: unknown): string {
  const lines = error instanceof Error ? error.message.split('\n').filter((line) => line.startsWith('E: ')) : []
  return lines.at(-1)?.slice(3) ?? String(error)
}

async function hashOf(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined)
  return bytes === undefined ? undefined : createHash('sha256').update(bytes).digest('hex')
}
