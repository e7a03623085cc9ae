import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { bindMount, hideFolder, NetlinkError, setMountAttributes } from '@weft/netlink'

/** What is mounted, and how that is changed. */
export interface Mounts {
  /** Text of `/proc/self/mountinfo`. */
  info(): string
  setAttributes(path: string, attributes: ReadonlySet<string>): void
  hideFolder(path: string): void
}

const ownMounts: Mounts = { info: () => readFileSync('/proc/self/mountinfo', 'utf8'), setAttributes: setMountAttributes, hideFolder }

/** Devices that every container has. */
const containerDevices: readonly string[] = ['null', 'zero', 'full', 'random', 'urandom', 'tty']

/**
 * Makes the machine's tree as containers see it read-only and without devices, with all that is mounted in it: `/dev`,
 * `/sys`, a separate `/home`. Without devices because a device can be written on a read-only mount too.
 *
 * One mount at a time: mount_setattr(2) with AT_RECURSIVE is of Linux 5.12.
 *
 * @throws {NetlinkError} If something can neither be made read-only nor hidden.
 */
export function sealMachineTree(tree: string, mounts: Mounts = ownMounts): void {
  for (const [path, attributes] of mountsAt(tree, mounts.info())) {
    try {
      mounts.setAttributes(path, new Set([...attributes, 'ro', 'nodev']))
    } catch (error) {
      // Another mount hides it: containers do not reach it either.
      if (error instanceof NetlinkError && ['ENOENT', 'EINVAL', 'ENOTDIR'].includes(error.code)) continue
      if (path === tree) throw error
      hide(path, { tree, mounts })
    }
  }
}

/**
 * Hides a mount. What lies in a folder of another user's that lets nobody through, as `/var/lib/docker` does, is hidden with
 * the folder: its owner may open it later.
 */
function hide(path: string, { tree, mounts }: { readonly tree: string, readonly mounts: Mounts }): void {
  try {
    mounts.hideFolder(path)
  } catch (error) {
    const above = dirname(path)
    if (!(error instanceof NetlinkError) || error.code !== 'EACCES' || above === tree) throw error
    hide(above, { tree, mounts })
  }
}

/** Lays down the devices of containers, to be bound from there: read-only, so that nobody changes the machine's modes. */
export function layDevices(folder: string): void {
  mkdirSync(folder)
  for (const name of containerDevices.filter((device) => existsSync(`/dev/${device}`))) {
    const path = `${folder}/${name}`
    writeFileSync(path, '')
    bindMount(`/dev/${name}`, path)
    setMountAttributes(path, new Set([...mountsAt(path, readFileSync('/proc/self/mountinfo', 'utf8')).get(path) ?? [], 'ro']))
  }
}

/**
 * Reads a mountinfo text (proc_pid_mountinfo(5)).
 *
 * @returns Path of each mount at or below a folder, with its attributes. Of several on one path the last is on top.
 */
export function mountsAt(folder: string, mountinfo: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  for (const line of mountinfo.split('\n')) {
    const [own = '', filesystem = ''] = line.split(' - ')
    const [, , , , point = '', attributes = ''] = own.split(' ')
    const path = point.replaceAll(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
    // A look at an automounter's folder would make it mount.
    if ((path !== folder && !path.startsWith(`${folder}/`)) || filesystem.startsWith('autofs ')) continue
    found.set(path, attributes.split(','))
  }
  return found
}
