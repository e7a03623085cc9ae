import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { probeFolder } from '../program-files.ts'

/**
 * What containers see as `/`: folders and links in the sandbox's tmpfs, made once and shared by all.
 *
 *     /.machine        the machine's own tree, read-only (host/launch.ts, inside/machine-tree.ts)
 *     /.weft           Node, the probe program and its names
 *     /usr /lib … ->   .machine/usr …
 *     /etc /var        folders of links into .machine, but for what belongs to the pod
 *     /run /tmp /dev /proc /sys   mount points; run, tmp and dev belong to the container
 *
 * An overlay of `/` is not possible without root: the kernel refuses one whose lower layer has locked mounts below it.
 */
export interface Rootfs {
  /** The skeleton that containers share. */
  readonly path: string
  /** Folder of the devices that containers get. */
  readonly devices: string
  /** Folder whose programs (`weft-probe`, `agnhost`) work outside of containers. */
  readonly bin: string
}

const ownFolders = ['proc', 'sys', 'run', 'tmp', 'dev']

/** Builds the skeleton below the folder where `.machine` is mounted already. */
export function buildRootfs(run: string): Rootfs {
  const path = `${run}/rootfs`
  layFolder(path, '/', [...ownFolders, 'etc', 'var', '.weft'])
  layFolder(path, '/var', ['run', 'lock', 'tmp'])
  symlinkSync('/run', `${path}/var/run`)
  symlinkSync('/run', `${path}/var/lock`)
  symlinkSync('/tmp', `${path}/var/tmp`)
  layFolder(path, '/etc', ['resolv.conf', 'hosts', 'hostname', 'nsswitch.conf', 'mtab'])
  for (const file of ['resolv.conf', 'hosts', 'hostname']) symlinkSync(`/run/weft/${file}`, `${path}/etc/${file}`)
  symlinkSync('/proc/self/mounts', `${path}/etc/mtab`)
  // The machine may ask mdns or a resolver daemon; in a pod names come from the files and the DNS Service.
  writeFileSync(`${path}/etc/nsswitch.conf`, 'passwd: files\ngroup: files\nhosts: files dns\n')

  const probe = `${path}/.weft/probe`
  layProbe(probe)
  const node = realpathSync(process.execPath)
  mkdirSync(`${path}/.weft/bin`)
  symlinkSync(`/.machine${node}`, `${path}/.weft/bin/node`)
  for (const name of ['weft-probe', 'agnhost']) script(`${path}/.weft/bin/${name}`, '/.weft/bin/node', '/.weft/probe/main.js')
  script(`${path}/agnhost`, '/.weft/bin/node', '/.weft/probe/main.js')
  const bin = `${run}/bin`
  mkdirSync(bin)
  for (const name of ['weft-probe', 'agnhost']) script(`${bin}/${name}`, node, `${probe}/main.js`)
  return { path, bin, devices: `${run}/devices` }
}

/**
 * Finds, or makes room for, the place where a volume is mounted.
 *
 * @param root A container's root: the shared skeleton, or its own when the place must be made (see {@link needsOwnRoot}).
 * @returns The path to mount on, as seen from outside of the container, without links to be followed.
 */
export function mountPointIn(root: string, mountPath: string, container: { readonly folder: string, readonly file: boolean }): string {
  const path = withoutVarRun(mountPath)
  const [, top = ''] = path.split('/')
  if (top === 'run' || top === 'tmp' || top === 'dev') {
    // These are the container's own folders, mounted before the volume.
    makePoint(`${container.folder}/${top}${path.slice(top.length + 1)}`, container.file)
    return root + path
  }
  const real = machinePath(path)
  if (real !== undefined) return `${root}/.machine${real}`
  const parts = path.split('/').slice(1)
  for (let depth = 0; depth < parts.length - 1; depth++) ownFolder(root, `/${parts.slice(0, depth + 1).join('/')}`)
  makePoint(root + path, container.file)
  return root + path
}

/** Whether a mount path is neither on the machine nor in the container's own folders. */
export function needsOwnRoot(mountPath: string): boolean {
  const path = withoutVarRun(mountPath)
  return !/^\/(run|tmp|dev)(\/|$)/.test(path) && machinePath(path) === undefined
}

/** A root of a container's own, where mount points can be made. Its `.machine` and `.weft` are mounted over. */
export function buildOwnRoot(root: string): void {
  mkdirSync(root, { recursive: true })
  layFolder(root, '/', [...ownFolders, 'etc', 'var', '.weft', '.machine'])
  for (const dir of ['.machine', '.weft']) mkdirSync(`${root}/${dir}`)
  layFolder(root, '/var', ['run', 'lock', 'tmp'])
  symlinkSync('/run', `${root}/var/run`)
  symlinkSync('/run', `${root}/var/lock`)
  symlinkSync('/tmp', `${root}/var/tmp`)
  layFolder(root, '/etc', ['resolv.conf', 'hosts', 'hostname', 'nsswitch.conf', 'mtab'])
  for (const file of ['resolv.conf', 'hosts', 'hostname']) symlinkSync(`/run/weft/${file}`, `${root}/etc/${file}`)
  writeFileSync(`${root}/etc/nsswitch.conf`, 'passwd: files\ngroup: files\nhosts: files dns\n')
}

/** A folder of links to the machine's entries; `own` are left out, and made as folders if they are top folders. */
function layFolder(root: string, dir: string, own: readonly string[]): void {
  const base = join(root, dir)
  mkdirSync(base, { recursive: true })
  for (const entry of readdirSync(dir)) if (!own.includes(entry) && entry !== '.machine') symlinkSync(join('/.machine', dir, entry), join(base, entry))
  if (dir === '/') for (const entry of own) if (ownFolders.includes(entry)) mkdirSync(join(base, entry), { recursive: true })
}

/** Turns a link into `.machine` into a folder of links, so that something can be added. */
function ownFolder(root: string, dir: string): void {
  const path = root + dir
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory() === true) return
  if (stat !== undefined) rmSync(path)
  if (machinePath(dir) === undefined) mkdirSync(path)
  else layFolder(root, dir, [])
}

function makePoint(path: string, file: boolean): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return
  mkdirSync(file ? dirname(path) : path, { recursive: true })
  if (file) writeFileSync(path, '')
}

function machinePath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

function withoutVarRun(path: string): string {
  return join('/', path).replace(/^\/var\/run(?=\/|$)/, '/run').replace(/(.)\/$/, '$1')
}

function script(path: string, node: string, main: string): void {
  writeFileSync(path, `#!/bin/sh\nexec '${node}' '${main}' "$@"\n`)
  chmodSync(path, 0o755)
}

/**
 * Lays the probe down as plain JavaScript: a pod then starts without the type stripper, and needs no project folder.
 * From a build it is copied.
 */
function layProbe(to: string): void {
  mkdirSync(to, { recursive: true })
  writeFileSync(`${to}/package.json`, '{"type":"module"}')
  for (const file of readdirSync(probeFolder).filter((name) => /\.[jt]s$/.test(name) && !/\.(test|d)\./.test(name))) {
    const text = readFileSync(new URL(file, probeFolder), 'utf8')
    const script = file.endsWith('.ts') ? stripTypeScriptTypes(text).replaceAll(/(from|import\()\s*'(\.[^']*)\.ts'/g, "$1 '$2.js'") : text
    writeFileSync(`${to}/${file.replace(/\.ts$/, '.js')}`, script)
  }
}
