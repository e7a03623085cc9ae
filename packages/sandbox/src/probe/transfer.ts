import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Outcome } from './question.ts'
import { ProbeFailure } from './failure.ts'
import { callHttp } from './http-client.ts'

interface Transfer {
  readonly host: string
  readonly port: number
  readonly bytes: number
}

const pieceBytes = 65_536
/** Between the pieces of a transfer that is spread over a time. */
const paceMs = 50

/**
 * Sends bytes to netexec's `/upload` and compares checksums.
 *
 * @throws {ProbeFailure} OTHER when they differ.
 */
export async function upload({ host, port, bytes, overMs }: Transfer & { readonly overMs?: number | undefined }, signal: AbortSignal): Promise<Outcome> {
  const hash = createHash('sha256')
  // Words of four bytes.
  const atOnce = overMs === undefined ? pieceBytes : Math.ceil((bytes * paceMs) / overMs / 4) * 4
  const pieces = async function* (): AsyncIterable<Uint8Array> {
    for (let sent = 0; sent < bytes; sent += atOnce) {
      const piece = pattern(sent, Math.min(atOnce, bytes - sent))
      hash.update(piece)
      yield piece
      if (overMs !== undefined) await sleep(paceMs)
    }
  }
  const { status, body, local, peer } = await callHttp({ host, port, path: '/upload', method: 'POST', body: { bytes, pieces: pieces() }, signal })
  const theirs = body.toString().trim()
  const ours = hash.digest('hex')
  if (status >= 400 || theirs !== ours) throw new ProbeFailure('OTHER', `HTTP ${status}: sent ${bytes} bytes with SHA-256 ${ours}, the server got ${theirs}`)
  return { answer: theirs, local, peer, bytes, sha256: ours }
}

/** Fetches bytes from netexec's `/download` and counts them. */
export async function download({ host, port, bytes }: Transfer, signal: AbortSignal): Promise<Outcome> {
  const { status, body, local, peer } = await callHttp({ host, port, path: `/download?bytes=${bytes}`, signal })
  if (status >= 400 || body.byteLength !== bytes) throw new ProbeFailure('OTHER', `HTTP ${status}: ${body.byteLength} bytes arrived of ${bytes}`)
  const sha256 = createHash('sha256').update(body).digest('hex')
  return { answer: sha256, local, peer, bytes, sha256 }
}

/** Bytes that differ by position, so that lost, doubled and swapped pieces show. */
function pattern(offset: number, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let index = 0; index < words.length; index++) words[index] = Math.imul(offset / 4 + index, 0x9e3779b1)
  return new Uint8Array(words.buffer, 0, length)
}
