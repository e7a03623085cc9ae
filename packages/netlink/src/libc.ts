// The one door to libc (style rule 15). Every function but the last is one system call; on failure it
// throws NetlinkError with the errno. Structures are laid out for 64-bit Linux
// (x86-64 and arm64 agree on all of them).
import koffi from 'koffi'
import { NetlinkError } from './errors.ts'

const libc = koffi.load('libc.so.6')

/** All our calls give an integer. */
interface SystemCall {
  (...values: readonly unknown[]): number
  async: (...values: readonly unknown[]) => void
}

function call(definition: string): SystemCall {
  return libc.func(definition)
}

const c = {
  socket: call('int socket(int domain, int type, int protocol)'),
  bind: call('int bind(int fd, const void *address, uint32_t length)'),
  connect: call('int connect(int fd, const void *address, uint32_t length)'),
  listen: call('int listen(int fd, int backlog)'),
  accept4: call('int accept4(int fd, void *address, void *length, int flags)'),
  send: call('int64_t send(int fd, const void *bytes, size_t length, int flags)'),
  recv: call('int64_t recv(int fd, void *bytes, size_t length, int flags)'),
  sendmsg: call('int64_t sendmsg(int fd, const void *message, int flags)'),
  recvmsg: call('int64_t recvmsg(int fd, void *message, int flags)'),
  getsockopt: call('int getsockopt(int fd, int level, int name, void *value, void *length)'),
  setsockopt: call('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
  poll: call('int poll(void *fds, uint64_t count, int timeout)'),
  open: call('int open(const char *path, int flags, uint32_t mode)'),
  close: call('int close(int fd)'),
  ioctl: call('int ioctl(int fd, uint64_t request, uint64_t argument)'),
  setns: call('int setns(int fd, int type)'),
  unshare: call('int unshare(int flags)'),
  mount: call('int mount(const char *source, const char *target, const char *type, uint64_t flags, const char *data)'),
  umount2: call('int umount2(const char *target, int flags)'),
  malloc_trim: call('int malloc_trim(size_t pad)'),
}

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_BRIDGE = 7
export const AF_INET6 = 10
export const AF_NETLINK = 16

export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_NONBLOCK = 0x800
const SOCK_CLOEXEC = 0x80000

export const SOL_SOCKET = 1
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_PEERCRED = 17
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
const SCM_RIGHTS = 1

const MSG_CTRUNC = 0x8
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_CMSG_CLOEXEC = 0x40000000

export const POLLIN = 0x1

export const O_RDONLY = 0
export const O_CREAT = 0x40
export const O_EXCL = 0x80
const O_CLOEXEC = 0x80000

export const CLONE_NEWNET = 0x40000000
export const MS_RDONLY = 0x1
export const MS_NOSUID = 0x2
export const MS_NODEV = 0x4
export const MS_NOEXEC = 0x8
export const MS_REMOUNT = 0x20
export const MS_NOATIME = 0x400
export const MS_NODIRATIME = 0x800
export const MS_BIND = 0x1000
export const MS_RELATIME = 0x200000
export const MS_STRICTATIME = 0x1000000
export const MNT_DETACH = 2

const EINTR = 4
export const EAGAIN = 11
export const SIOCGSKNS = 0x894c

function check(operation: string, result: number): number {
  if (result < 0) throw new NetlinkError({ operation, errno: koffi.errno() })
  return result
}

/** As {@link check}, but `undefined` for "not now" (EAGAIN); repeats a call that a signal interrupted. */
function attempt(operation: string, action: () => number): number | undefined {
  for (;;) {
    const result = action()
    if (result >= 0) return result
    const errno = koffi.errno()
    if (errno === EAGAIN) return undefined
    if (errno !== EINTR) throw new NetlinkError({ operation, errno })
  }
}

/** Arguments of calls under way on other threads: the kernel holds addresses of theirs that nothing else may hold. */
const underWay = new Set<readonly unknown[]>()

/** Runs a call on one of koffi's own threads, away from the event loop. */
function later(operation: string, systemCall: SystemCall, args: readonly unknown[]): Promise<number> {
  underWay.add(args)
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, result: number): void => {
      underWay.delete(args)
      if (error !== null) reject(error)
      else if (result < 0) reject(new NetlinkError({ operation, errno: koffi.errno() }))
      else resolve(result)
    }
    systemCall.async(...args, done)
  })
}

export function socket(domain: number, type: number, protocol: number): number {
  return check('open socket', c.socket(domain, type | SOCK_CLOEXEC, protocol))
}

export function bind(fd: number, address: Uint8Array): void {
  check('bind socket', c.bind(fd, address, address.length))
}

export function connect(fd: number, address: Uint8Array): void {
  check('connect socket', c.connect(fd, address, address.length))
}

export function listen(fd: number, backlog: number): void {
  check('listen on socket', c.listen(fd, backlog))
}

/** @returns The connection (close-on-exec, non-blocking), or `undefined` when nobody waits. */
export function accept(fd: number): number | undefined {
  return attempt('accept connection', () => c.accept4(fd, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK))
}

/** @returns The bytes taken, or `undefined` when a non-blocking socket has no room. */
export function send(fd: number, bytes: Uint8Array, flags: number): number | undefined {
  return attempt('send message', () => c.send(fd, bytes, bytes.length, flags))
}

/** {@link send} on another thread, for requests the kernel takes long to carry out. */
export function sendAsync(fd: number, bytes: Uint8Array, flags: number): Promise<number> {
  return later('send message', c.send, [fd, bytes, bytes.length, flags])
}

/** @returns The length of the datagram (with MSG_TRUNC: the real one), or `undefined` when nothing is there. */
export function recv(fd: number, into: Uint8Array, flags: number): number | undefined {
  return attempt('receive message', () => c.recv(fd, into, into.length, flags))
}

const MSGHDR_LENGTH = 56
const IOVEC_LENGTH = 16
const CMSG_HEADER_LENGTH = 16
/** SCM_MAX_FD: the kernel passes no more at once. */
const MAX_FDS = 253

// msghdr, iovec and control data are kept for ever, and the caller's bytes for as long as the call takes:
// the kernel gets their addresses, which the garbage collector cannot see.
const header = Buffer.alloc(MSGHDR_LENGTH + IOVEC_LENGTH)
const control = Buffer.alloc(CMSG_HEADER_LENGTH + MAX_FDS * 4 + 4)
const pinned: { bytes: Uint8Array | undefined } = { bytes: undefined }

function withMessageHeader(bytes: Uint8Array, controlLength: number, action: () => number): number {
  header.fill(0)
  header.writeBigUInt64LE(koffi.address(header) + BigInt(MSGHDR_LENGTH), 16) // msg_iov
  header.writeBigUInt64LE(1n, 24) // msg_iovlen
  header.writeBigUInt64LE(koffi.address(control), 32) // msg_control
  header.writeBigUInt64LE(BigInt(controlLength), 40) // msg_controllen
  header.writeBigUInt64LE(koffi.address(bytes), MSGHDR_LENGTH) // iov_base
  header.writeBigUInt64LE(BigInt(bytes.length), MSGHDR_LENGTH + 8) // iov_len
  pinned.bytes = bytes
  const result = action()
  pinned.bytes = undefined
  return result
}

/** CMSG_SPACE of `count` descriptors: padded to eight bytes. */
function controlSpace(count: number): number {
  return CMSG_HEADER_LENGTH + ((count * 4 + 7) & ~7)
}

/**
 * Sends bytes with file descriptors attached to the first of them (SCM_RIGHTS).
 *
 * @param fds At most 253.
 * @returns The bytes taken, or `undefined` when a non-blocking socket has no room.
 */
export function sendmsg(fd: number, bytes: Uint8Array, fds: readonly number[]): number | undefined {
  if (fds.length === 0) return send(fd, bytes, MSG_NOSIGNAL)
  if (fds.length > MAX_FDS) throw new RangeError(`Cannot send ${fds.length} descriptors at once: the most is ${MAX_FDS}`)
  control.writeBigUInt64LE(BigInt(CMSG_HEADER_LENGTH + fds.length * 4), 0)
  control.writeInt32LE(SOL_SOCKET, 8)
  control.writeInt32LE(SCM_RIGHTS, 12)
  for (const [index, passed] of fds.entries()) control.writeInt32LE(passed, CMSG_HEADER_LENGTH + index * 4)
  return attempt('send message', () => withMessageHeader(bytes, controlSpace(fds.length), () => c.sendmsg(fd, header, MSG_NOSIGNAL)))
}

/** What {@link recvmsg} got. */
export interface ReceivedMessage {
  /** Bytes read; 0 means the peer has closed. */
  readonly length: number
  /** Descriptors that came along (close-on-exec): the caller owns them. */
  readonly fds: readonly number[]
  /** More descriptors came than were asked for; the kernel closed the rest. */
  readonly truncated: boolean
}

/** Reads bytes and the descriptors sent with them; `undefined` when nothing is there. */
export function recvmsg(fd: number, into: Uint8Array, maxFds: number): ReceivedMessage | undefined {
  const space = maxFds === 0 ? 0 : controlSpace(Math.min(maxFds, MAX_FDS))
  const length = attempt('receive message', () => withMessageHeader(into, space, () => c.recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)))
  if (length === undefined) return undefined
  const controlLength = Number(header.readBigUInt64LE(40))
  const flags = header.readInt32LE(48)
  const fds: number[] = []
  let at = 0
  while (controlLength - at >= CMSG_HEADER_LENGTH) {
    const end = at + Number(control.readBigUInt64LE(at))
    if (end < at + CMSG_HEADER_LENGTH || end > controlLength) break
    if (control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS) {
      for (let place = at + CMSG_HEADER_LENGTH; place + 4 <= end; place += 4) fds.push(control.readInt32LE(place))
    }
    at = (end + 7) & ~7
  }
  return { length, fds, truncated: (flags & MSG_CTRUNC) !== 0 }
}

/** A socket option as bytes; at most `size` of them. */
export function getsockopt(fd: number, level: number, name: number, size: number): Buffer {
  const value = Buffer.alloc(size)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(size)
  check(`read socket option ${level}/${name}`, c.getsockopt(fd, level, name, value, length))
  return value.subarray(0, length.readUInt32LE())
}

/** Sets an integer socket option. */
export function setsockopt(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  check(`set socket option ${level}/${name}`, c.setsockopt(fd, level, name, bytes, bytes.length))
}

const POLLFD_LENGTH = 8

/**
 * Blocks until the descriptor is ready.
 *
 * @param timeoutMs Milliseconds; negative waits for ever.
 * @returns The events that happened, 0 when the time is over.
 */
export function poll(fd: number, events: number, timeoutMs: number): number {
  const entry = Buffer.alloc(POLLFD_LENGTH)
  entry.writeInt32LE(fd)
  entry.writeInt16LE(events, 4)
  const ready = c.poll(entry, 1, timeoutMs)
  if (ready < 0 && koffi.errno() === EINTR) return 0
  check('poll descriptor', ready)
  return ready === 0 ? 0 : entry.readInt16LE(6)
}

/** A descriptor the event loop watches; dispose it before closing the descriptor. */
export interface FdWatch extends Disposable {
  /** Lets the process end although the descriptor is watched. */
  unref(): void
}

/**
 * Calls back on the event loop whenever the descriptor is ready or its peer has gone (uv_poll, level-triggered).
 *
 * @param want `readable` or `writable`.
 */
export function watch(fd: number, want: 'readable' | 'writable', onReady: () => void): FdWatch {
  let open = true
  const options = { readable: want === 'readable', writable: want === 'writable', disconnect: true }
  // koffi calls back outside of Node's callback scope, where promises made ready stay unheard until something
  // else happens. An immediate runs right after the poll phase, inside one.
  const ready = (status: unknown): void => {
    setImmediate(() => {
      if (open) onReady()
      // libuv stops watching a descriptor with an error waiting (ENOBUFS on netlink); who is called back reads it away.
      if (open && status !== 0) handle.start(options, ready)
    })
  }
  const handle = koffi.node.poll(fd, options, ready)
  return {
    unref: () => handle.unref(),
    [Symbol.dispose]: () => {
      if (!open) return
      open = false
      handle.stop()
      handle.close()
    },
  }
}

export function open(path: string, flags: number, mode = 0): number {
  return check(`open "${path}"`, c.open(path, flags | O_CLOEXEC, mode))
}

export function close(fd: number): void {
  check('close descriptor', c.close(fd))
}

export function ioctl(operation: string, fd: number, request: number, argument: number): number {
  return check(operation, c.ioctl(fd, request, argument))
}

/** Moves the calling thread into the namespace. Never call this on the main thread. */
export function setns(fd: number, type: number): void {
  check('enter namespace', c.setns(fd, type))
}

/** Gives the calling thread namespaces of its own. Never call this on the main thread. */
export function unshare(flags: number): void {
  check('make namespace', c.unshare(flags))
}

export function mount(source: string, target: string, type: string | null, flags: number, data: string | null = null): void {
  check(`mount "${source}" on "${target}"`, c.mount(source, target, type, flags, data))
}

export function umount(target: string, flags: number): void {
  check(`unmount "${target}"`, c.umount2(target, flags))
}

/** Gives the system what was freed: glibc keeps it for later, in every thread's own arena. Takes milliseconds. */
export function trimMemory(): void {
  c.malloc_trim(0)
}
