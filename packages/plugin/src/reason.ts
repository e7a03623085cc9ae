import { readFileSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf } from '@weft/daemon/message-of'

/** Beside the socket, so on a file system that is never full: who cannot serve cannot answer there either. */
const pathOf = (socketPath: string): string => `${socketPath}.reason`

/** Longer ones are cut by whoever reads them. */
const maxLength = 1000

/**
 * Leaves word for the plugin why nobody answers at the socket, in one line; undefined takes it back. Until somebody answers there, this
 * is what STATUS and ADD tell.
 */
export async function leaveReason(socketPath: string, reason: string | undefined): Promise<void> {
  const path = pathOf(socketPath)
  if (reason === undefined) return await rm(path, { force: true })
  await mkdir(dirname(path), { recursive: true })
  await writeFile(`${path}.tmp`, `${reason.replaceAll(/\s+/g, ' ').slice(0, maxLength)}\n`, { mode: 0o644 })
  await rename(`${path}.tmp`, path)
}

/** What was left there; empty when nothing was. */
export function readReason(socketPath: string): string {
  try {
    return readFileSync(pathOf(socketPath), 'utf8').trim().slice(0, maxLength)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? '' : `the reason cannot be read: ${messageOf(error)}`
  }
}
