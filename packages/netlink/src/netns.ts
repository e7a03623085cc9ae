import { promises } from 'node:fs'
import * as libc from './libc.ts'
import { sharedNetnsWorker } from './netns-worker.ts'
import type { NetlinkProtocol } from './netlink-protocol.ts'

/**
 * Lets libuv make its thread pool now, on the main thread, in the main thread's namespaces.
 * The pool is born in the namespaces of whoever uses it first and stays there, so a first use inside
 * a pod's namespace would send all later `fs.promises`, `dns` and `crypto` work there.
 * Every program that enters namespaces awaits this before anything else.
 */
export async function warmThreadPool(): Promise<void> {
  await promises.readlink('/proc/self/ns/net')
}

/**
 * Makes a network namespace and pins it to a new file (as `ip netns add` does); missing folders are made.
 *
 * @throws {NetlinkError} EEXIST if the file is there, ENOSPC at the limit of namespaces, EPERM without CAP_SYS_ADMIN.
 */
export function createNetns(path: string): Promise<void> {
  return sharedNetnsWorker().create(path)
}

/** Unpins a network namespace and removes its file. No file, or a file that pins nothing, is no error. */
export function deleteNetns(path: string): Promise<void> {
  return sharedNetnsWorker().delete(path)
}

/** Opens a netlink socket in a namespace; the caller owns the descriptor. It keeps working when the namespace's file is gone. */
export function openInNetns(path: string, protocol: NetlinkProtocol): Promise<number> {
  return sharedNetnsWorker().openSocket(path, protocol)
}

/** Runs an exported function with the thread in a namespace, see {@link NetnsWorker.run}. */
export function inNetns(path: string, action: { readonly module: URL | string, readonly name: string, readonly data?: unknown }): Promise<unknown> {
  return sharedNetnsWorker().run(path, action)
}

/**
 * Writes sysctls in order, e.g. `{'net.ipv4.ip_forward': '1'}`; write the name with slashes where a link's name has a dot.
 *
 * @param path A network namespace, or `undefined` for the process's own.
 * @param options.folder Where `/proc/sys` is; a container sees it read-only, but may have it mounted elsewhere too.
 * @throws {NetlinkError} EROFS or EACCES where `/proc/sys` is read-only, ENOENT if the kernel lacks the setting.
 */
export function writeSysctls(path: string | undefined, values: Readonly<Record<string, string>>, options: { readonly folder?: string | undefined } = {}): Promise<void> {
  return sharedNetnsWorker().writeSysctls(path, values, options)
}

/** Reads sysctls; values without the final newline. */
export function readSysctls(path: string | undefined, names: readonly string[]): Promise<Record<string, string>> {
  return sharedNetnsWorker().readSysctls(path, names)
}

/** An open network namespace: what `netnsFd` of a link wants. Closes with `using`. */
export interface NetnsHandle extends Disposable {
  readonly fd: number
}

function handle(fd: number): NetnsHandle {
  return { fd, [Symbol.dispose]: () => libc.close(fd) }
}

/** Opens a network namespace by its file, e.g. `/run/netns/web` or `/proc/self/ns/net`. */
export function openNetns(path: string): NetnsHandle {
  return handle(libc.open(path, libc.O_RDONLY))
}

/**
 * The namespace a socket was born in (SIOCGSKNS): how a process without CAP_SYS_ADMIN puts a link into a
 * pod of which it was handed nothing but a socket.
 *
 * @throws {NetlinkError} EPERM without CAP_NET_ADMIN over that namespace.
 */
export function netnsOfSocket(socketFd: number): NetnsHandle {
  return handle(libc.ioctl('find namespace of socket', socketFd, libc.SIOCGSKNS, 0))
}

/** Closes a descriptor that was handed over, e.g. with SCM_RIGHTS. */
export function closeFd(fd: number): void {
  libc.close(fd)
}
