import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import type { Mount } from './fstab.ts'
import type { Container } from './pod-object.ts'
import { buildOwnRoot, needsOwnRoot, type Rootfs } from './rootfs.ts'
import { volumeMounts } from './volumes.ts'

export interface LayoutSources {
  readonly rootfs: Rootfs
  /** The container's folder, fresh. */
  readonly folder: string
  /** The pod's shared memory folder. */
  readonly shm: string
  readonly resolvConf: string
  readonly hosts: string
  readonly hostname: string
  readonly volumes: ReadonlyMap<string, string>
  /** The machine refused a new /proc: the sandbox's own is passed on. */
  readonly outerProc: boolean
}

export interface ContainerLayout {
  readonly root: string
  readonly mounts: readonly Mount[]
}

/** Writes the files of a container and lists its mounts, in order. */
export function layOutContainer(container: Container, sources: LayoutSources): ContainerLayout {
  const { rootfs, folder } = sources
  for (const dir of ['run/weft', 'run/lock', 'tmp']) mkdirSync(`${folder}/${dir}`, { recursive: true })
  chmodSync(`${folder}/tmp`, 0o1777)
  writeFileSync(`${folder}/run/weft/resolv.conf`, sources.resolvConf)
  writeFileSync(`${folder}/run/weft/hosts`, sources.hosts)
  writeFileSync(`${folder}/run/weft/hostname`, `${sources.hostname}\n`)

  const devices = layDev(`${folder}/dev`, rootfs.devices)

  const own = (container.volumeMounts ?? []).some(({ mountPath }) => needsOwnRoot(mountPath))
  const root = own ? `${folder}/root` : rootfs.path
  if (own) buildOwnRoot(root)
  return {
    root,
    mounts: [
      ...(own ? ['.machine', '.weft'].map((dir) => ({ source: `${rootfs.path}/${dir}`, target: `${root}/${dir}`, options: 'rbind' })) : []),
      // From here on in a mount namespace of its own: mounting onto the shared skeleton disturbs nobody.
      { source: root, target: root, options: 'rbind,ro' },
      sources.outerProc ? { source: '/proc', target: `${root}/proc`, options: 'rbind' } : { source: 'proc', target: `${root}/proc`, type: 'proc', options: 'nosuid,nodev,noexec' },
      { source: 'weft-sys', target: `${root}/sys`, type: 'sysfs', options: 'ro,nosuid,nodev,noexec' },
      { source: `${folder}/run`, target: `${root}/run`, options: 'rbind' },
      { source: `${folder}/tmp`, target: `${root}/tmp`, options: 'rbind' },
      { source: `${folder}/dev`, target: `${root}/dev`, options: 'rbind' },
      ...devices.map((name) => ({ source: `${rootfs.devices}/${name}`, target: `${root}/dev/${name}`, options: 'bind' })),
      // Terminals of its own: the machine's would show the names of those of its user.
      { source: 'weft-pts', target: `${root}/dev/pts`, type: 'devpts', options: 'newinstance,ptmxmode=0666,mode=0620,nosuid,noexec' },
      { source: sources.shm, target: `${root}/dev/shm`, options: 'rbind' },
      ...volumeMounts(container, sources.volumes, { root, folder }),
    ],
  }
}

/** Writes what is no device of a container's `/dev`. @returns Names of the devices to be bound into it. */
function layDev(dev: string, devices: string): readonly string[] {
  for (const dir of ['pts', 'shm']) mkdirSync(`${dev}/${dir}`, { recursive: true })
  const links = { ptmx: 'pts/ptmx', fd: '/proc/self/fd', stdin: '/proc/self/fd/0', stdout: '/proc/self/fd/1', stderr: '/proc/self/fd/2' }
  for (const [name, to] of Object.entries(links)) symlinkSync(to, `${dev}/${name}`)
  const names = readdirSync(devices)
  for (const name of names) writeFileSync(`${dev}/${name}`, '')
  return names
}
