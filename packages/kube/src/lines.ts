import { KubeError } from './errors.ts'

const newline = 0x0a

/**
 * Splits a body into lines without ever holding more than one of them.
 *
 * @param maxLineBytes A longer line ends the iteration with `ERR_KUBE_TOO_LARGE`.
 * @returns Non-empty lines as text; a last one without a line end too.
 */
export async function* readLines(body: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<string, void> {
  let pending: Buffer[] = []
  let pendingBytes = 0
  for await (const part of body) {
    const chunk = Buffer.from(part.buffer, part.byteOffset, part.byteLength)
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      checkLength(pendingBytes + end - start, maxLineBytes)
      if (pendingBytes === 0) {
        if (end > start) yield chunk.toString('utf8', start, end)
      } else {
        pending.push(chunk.subarray(start, end))
        yield Buffer.concat(pending).toString('utf8')
        pending = []
        pendingBytes = 0
      }
      start = end + 1
    }
    if (start < chunk.length) {
      pending.push(chunk.subarray(start))
      pendingBytes += chunk.length - start
      checkLength(pendingBytes, maxLineBytes)
    }
  }
  if (pendingBytes > 0) yield Buffer.concat(pending).toString('utf8')
}

/**
 * Reads a whole body.
 *
 * @param maxBytes A longer body throws `ERR_KUBE_TOO_LARGE`.
 */
export async function readBody(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new KubeError('ERR_KUBE_TOO_LARGE', `Cannot read answer: it is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes)
}

function checkLength(bytes: number, maxLineBytes: number): void {
  if (bytes > maxLineBytes) throw new KubeError('ERR_KUBE_TOO_LARGE', `Cannot read watch event: its line is longer than ${maxLineBytes} bytes`)
}
