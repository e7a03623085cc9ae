import { getSystemErrorMap, getSystemErrorName } from 'node:util'

/** What a {@link NetlinkError} is made of. */
export interface NetlinkErrorDetails {
  /** What was tried, verb first, e.g. `add link "eth0"`. */
  readonly operation: string
  /** Positive errno, e.g. 17. */
  readonly errno: number
  /** The kernel's extended acknowledgement text (NLMSGERR_ATTR_MSG), if it gave one. */
  readonly kernelMessage?: string | undefined
  /** Byte offset of the offending attribute in the request (NLMSGERR_ATTR_OFFS), if the kernel gave one. */
  readonly offset?: number | undefined
}

/** A request that the kernel refused, or a system call that failed. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError'
  /** What was tried, verb first, e.g. `add link "eth0"`. */
  readonly operation: string
  /** Positive errno, e.g. 17. */
  readonly errno: number
  /** Name of the errno, e.g. `EEXIST`. */
  readonly code: string
  /** The kernel's own words, when it gave some. */
  readonly kernelMessage: string | undefined
  /** Byte offset of the offending attribute in the request, when the kernel gave one. */
  readonly offset: number | undefined

  constructor(details: NetlinkErrorDetails) {
    const code = errnoName(details.errno)
    const words = getSystemErrorMap().get(-details.errno)?.[1] ?? `errno ${details.errno}`
    super(`Cannot ${details.operation}: ${words}${details.kernelMessage === undefined ? '' : `, the kernel says: ${details.kernelMessage}`} (${code})`)
    this.operation = details.operation
    this.errno = details.errno
    this.code = code
    this.kernelMessage = details.kernelMessage
    this.offset = details.offset
  }
}

/** Bytes that are not netlink, or not the message they claim to be. */
export class NetlinkDecodeError extends Error {
  override readonly name = 'NetlinkDecodeError'
  readonly code = 'ERR_NETLINK_DECODE'

  constructor(what: string) {
    super(`Cannot decode ${what}`)
  }
}

/** Symbolic name of a positive errno, `E<number>` when libuv has no name for it. */
export function errnoName(errno: number): string {
  const name = NAMES[errno] ?? getSystemErrorName(-errno)
  return name.startsWith('E') ? name : `E${errno}`
}

// Codes netlink uses and libuv has no name for, or another one than the kernel.
const NAMES: Readonly<Record<number, string>> = { 95: 'EOPNOTSUPP', 42: 'ENOMSG', 61: 'ENODATA', 62: 'ETIME', 117: 'EUCLEAN', 132: 'ERFKILL' }

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof NetlinkError && codes.includes(error.code)
}

/** The object is not there: no such link, address, route, rule, neighbour, table or file. */
export function isNotFound(error: unknown): boolean {
  return hasCode(error, 'ENOENT', 'ENODEV', 'ESRCH', 'EADDRNOTAVAIL', 'ENXIO')
}

/** The object is there already. */
export function isAlreadyExists(error: unknown): boolean {
  return hasCode(error, 'EEXIST')
}

/** The object is in use. */
export function isBusy(error: unknown): boolean {
  return hasCode(error, 'EBUSY')
}

/** The caller lacks the capability. */
export function isPermissionDenied(error: unknown): boolean {
  return hasCode(error, 'EPERM', 'EACCES')
}

/** This kernel does not have the feature. */
export function isNotSupported(error: unknown): boolean {
  return hasCode(error, 'EOPNOTSUPP', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'ENOSYS', 'ENOTSUP')
}

/** The message is larger than the socket's send buffer. */
export function isTooLarge(error: unknown): boolean {
  return hasCode(error, 'EMSGSIZE')
}

/** Messages were lost because the receive buffer was full: read the state again. */
export function isOverrun(error: unknown): boolean {
  return hasCode(error, 'ENOBUFS')
}

/** The same request may well succeed in a moment. */
export function isRetryable(error: unknown): boolean {
  return hasCode(error, 'EINTR', 'EAGAIN', 'ENOBUFS', 'EBUSY', 'ENOMEM')
}
