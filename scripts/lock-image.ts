// Writes deploy/image/lock.json: what of others goes into the image, at the versions that `weft`, pnpm-workspace.yaml and this
// machine's apt name. Run it when one of them moves; a test holds the first two.
import { writeFile } from 'node:fs/promises'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { Apt, type DebianPackage, type ImageLock, lockPath, type NpmPackage, type Platform, type PlatformLock, platforms } from '@weft/image'
import { read, root } from './workspace.ts'

/** The C and C++ libraries that Node and koffi link to; gcc's base package has their licence. */
const debian = ['gcc-12-base', 'libatomic1', 'libc6', 'libgcc-s1', 'libstdc++6']

const nodeVersion = /^NODE_VERSION=(.*)$/m.exec(read('weft'))![1]!
const koffiVersion = /^ {4}koffi: (.*)$/m.exec(read('pnpm-workspace.yaml'))![1]!

function npmPackage(name: string, version: string): NpmPackage {
  const integrity = JSON.parse(execFileSync('npm', ['view', `${name}@${version}`, 'dist.integrity', '--json'], { encoding: 'utf8' })) as string
  return { name, version, integrity }
}

async function lockFor(platform: Platform): Promise<PlatformLock> {
  const apt = await Apt.open(join(root, '.weft/image'), platform)
  await apt.update()
  const packages: DebianPackage[] = []
  for (const name of debian) packages.push(await apt.candidate(name))
  return { node: npmPackage(`node-linux-${platform.node}`, nodeVersion), koffi: npmPackage(`@koromix/koffi-linux-${platform.node}`, koffiVersion), debian: packages }
}

const lock: ImageLock = { 'linux/amd64': await lockFor(platforms['linux/amd64']), 'linux/arm64': await lockFor(platforms['linux/arm64']) }
await writeFile(join(root, lockPath), `${JSON.stringify(lock, null, 2)}\n`)
