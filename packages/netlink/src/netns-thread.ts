// The program of the namespace worker: carries jobs out one after the other, each in the namespace
// it names, and goes home after each. Only synchronous file calls here: libuv's thread pool must not
// be born in a foreign namespace (docs: README.md, Limits).
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parentPort } from 'node:worker_threads'
import { NetlinkError, isNotFound } from './errors.ts'
import * as libc from './libc.ts'
import { NETLINK_PROTOCOL } from './netlink-protocol.ts'
import type { NetlinkProtocol } from './netlink-protocol.ts'
import type { NetnsJob, NetnsJobMessage, NetnsResultMessage } from './netns-job.ts'

const OWN_NETNS = '/proc/thread-self/ns/net'
const EINVAL = 22

const port = parentPort!
const home = libc.open(OWN_NETNS, libc.O_RDONLY)
let queue = Promise.resolve()

port.on('message', ({ id, job }: NetnsJobMessage) => {
  // One at a time: while a job waits in a foreign namespace no other may move the thread.
  queue = after(queue, id, job)
})

async function after(previous: Promise<void>, id: number, job: NetnsJob): Promise<void> {
  await previous
  port.postMessage(await answer(id, job))
}

async function answer(id: number, job: NetnsJob): Promise<NetnsResultMessage> {
  try {
    return { id, value: await carryOut(job) }
  } catch (error) {
    return { id, error: error instanceof NetlinkError ? { operation: error.operation, errno: error.errno } : { thrown: error } }
  }
}

function carryOut(job: NetnsJob): unknown {
  switch (job.kind) {
    case 'create':
      return create(job.path)
    case 'delete':
      return remove(job.path)
    case 'open':
      return within(job.path, () => openSocket(job.protocol))
    case 'scratch':
      return scratch(job.protocols)
    case 'sysctls':
      return within(job.path, () => writeSysctls(job.values, job.folder))
    case 'readSysctls':
      return within(job.path, () => Object.fromEntries(job.names.map((name) => [name, readSysctl(name)])))
    case 'run':
      return run(job)
    case 'end':
      return libc.close(home)
    default:
      return job satisfies never
  }
}

/** Namespaces are entered by path, so what changes hands is a file, not a thread. */
function within<T>(path: string | undefined, action: () => T): T {
  if (path === undefined) return action()
  enter(path)
  try {
    return action()
  } finally {
    goHome()
  }
}

function enter(path: string): void {
  const fd = libc.open(path, libc.O_RDONLY)
  try {
    libc.setns(fd, libc.CLONE_NEWNET)
  } catch (error) {
    throw error instanceof NetlinkError ? new NetlinkError({ operation: `enter network namespace "${path}"`, errno: error.errno }) : error
  } finally {
    libc.close(fd)
  }
}

/** Into a new namespace, where there is a way back: in a user namespace of its own a process may still be in a network of its parent's, which it cannot enter again. */
function leaveHome(): void {
  try {
    libc.setns(home, libc.CLONE_NEWNET)
  } catch (error) {
    throw error instanceof NetlinkError ? new NetlinkError({ operation: 'come back to the network namespace of this process', errno: error.errno }) : error
  }
  libc.unshare(libc.CLONE_NEWNET)
}

/** A thread that cannot go home is of no use: it ends, and the next job gets a new one. */
function goHome(): void {
  try {
    libc.setns(home, libc.CLONE_NEWNET)
  } catch {
    process.exit(70)
  }
}

function create(path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  libc.close(libc.open(path, libc.O_RDONLY | libc.O_CREAT | libc.O_EXCL))
  try {
    leaveHome()
    try {
      libc.mount(OWN_NETNS, path, null, libc.MS_BIND)
    } finally {
      goHome()
    }
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  }
}

function remove(path: string): void {
  try {
    libc.umount(path, libc.MNT_DETACH)
  } catch (error) {
    // EINVAL: a plain file, what is left when a creation was killed half way.
    if (!(error instanceof NetlinkError && (error.errno === EINVAL || isNotFound(error)))) throw error
  }
  rmSync(path, { force: true })
}

function openSocket(protocol: NetlinkProtocol): number {
  return libc.socket(libc.AF_NETLINK, libc.SOCK_RAW, NETLINK_PROTOCOL[protocol])
}

function scratch(protocols: readonly NetlinkProtocol[]): number[] {
  leaveHome()
  try {
    return protocols.map(openSocket)
  } finally {
    goHome()
  }
}

function writeSysctls(values: Readonly<Record<string, string>>, folder: string): void {
  for (const [name, value] of Object.entries(values)) {
    try {
      writeFileSync(sysctlPath(name, folder), value)
    } catch (error) {
      throw fileError(`set sysctl "${name}" to "${value}"`, error)
    }
  }
}

function readSysctl(name: string): string {
  try {
    return readFileSync(sysctlPath(name), 'utf8').trim()
  } catch (error) {
    throw fileError(`read sysctl "${name}"`, error)
  }
}

/** Node's file errors carry a negative errno. */
function fileError(operation: string, error: unknown): unknown {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? new NetlinkError({ operation, errno: -error.errno }) : error
}

/** `net.ipv4.ip_forward`, or with slashes where a link's name has a dot: `net/ipv4/conf/eth0.1/rp_filter`. */
function sysctlPath(name: string, folder = '/proc/sys'): string {
  const parts = name.includes('/') ? name.split('/') : name.split('.')
  if (parts.some((part) => part === '' || part === '.' || part === '..')) throw new SyntaxError(`Cannot parse sysctl name "${name}"`)
  return `${folder}/${parts.join('/')}`
}

async function run(job: Extract<NetnsJob, { kind: 'run' }>): Promise<unknown> {
  const loaded: Record<string, ((data: unknown) => unknown) | undefined> = await import(job.module)
  const action = loaded[job.name]
  if (typeof action !== 'function') throw new TypeError(`Cannot run "${job.name}" of "${job.module}": it is not an exported function`)
  enter(job.path)
  try {
    return await action(job.data)
  } finally {
    goHome()
  }
}
