import * as libc from './libc.ts'

/** Attributes of one mount, as mountinfo and mount(8) name them; others are ignored. */
export type MountAttribute = 'ro' | 'nosuid' | 'nodev' | 'noexec' | 'noatime' | 'nodiratime' | 'relatime'

const bits: Readonly<Record<MountAttribute, number>> = {
  ro: libc.MS_RDONLY,
  nosuid: libc.MS_NOSUID,
  nodev: libc.MS_NODEV,
  noexec: libc.MS_NOEXEC,
  noatime: libc.MS_NOATIME,
  nodiratime: libc.MS_NODIRATIME,
  relatime: libc.MS_RELATIME,
}

/** Shows one file or folder (without what is mounted below it) at another place. */
export function bindMount(source: string, target: string): void {
  libc.mount(source, target, null, libc.MS_BIND)
}

/**
 * Sets the attributes of one mount, not of those below it; those not named are cleared.
 *
 * @throws {NetlinkError} EINVAL when nothing is mounted there, EPERM when an attribute would be cleared (or the treatment
 *   of access times changed) that an outer user namespace has locked.
 */
export function setMountAttributes(target: string, attributes: ReadonlySet<string>): void {
  // Neither word in mountinfo stands for strictatime; a flag for it is needed, for the kernel's default is relatime.
  let flags = attributes.has('relatime') || attributes.has('noatime') ? 0 : libc.MS_STRICTATIME
  for (const [name, bit] of Object.entries(bits)) if (attributes.has(name)) flags |= bit
  libc.mount('none', target, null, libc.MS_REMOUNT | libc.MS_BIND | flags)
}

/** Mounts an empty read-only folder over another, so that nothing below can be reached. */
export function hideFolder(target: string): void {
  libc.mount('hidden', target, 'tmpfs', libc.MS_RDONLY, 'mode=000,size=4k')
}
