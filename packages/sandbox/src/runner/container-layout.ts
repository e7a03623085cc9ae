import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
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
      { source: sources.shm, target: `${root}/.machine/dev/shm`, options: 'rbind' },
      ...volumeMounts(container, sources.volumes, { root, folder }),
    ],
  }
}
