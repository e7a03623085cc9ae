import { release } from 'node:os'
import { getSystemErrorName } from 'node:util'

/** Symbolic name of a positive errno. */
export function errnoName(errno: number): string {
  return getSystemErrorName(-errno)
}

/** True from kernel 6.3 on, which has the `destroy` messages. */
export function kernelHasDestroy(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  return major > 6 || (major === 6 && minor >= 3)
}
