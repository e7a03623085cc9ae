import { closeSync } from 'node:fs'

/** Closes what came with a call. */
export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd)
}
