/**
 * What travels between the shim and the agent. The layout is described at the top of `shim/weft-cni.c`; this file is
 * the length's inside, both ways.
 */

/** A call as the shim saw it. */
export interface CallFrame {
  readonly environment: ReadonlyMap<string, string>
  readonly stdin: Buffer
}

export interface ReplyFrame {
  readonly exitCode: number
  readonly stdout: string
}

/** Entry by which the shim says why it could not open the pod's namespace: `<errno> <text>`. */
export const netnsErrorEntry = 'WEFT_NETNS_ERROR'

export function encodeCall({ environment, stdin }: CallFrame): Buffer {
  const entries = [...environment].map(([key, value]) => `${key}=${value}\0`).join('')
  return Buffer.concat([Buffer.from(`${entries}\0`), stdin])
}

/** @throws {SyntaxError} If the entries do not end. */
export function decodeCall(bytes: Uint8Array): CallFrame {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const environment = new Map<string, string>()
  let offset = 0
  for (;;) {
    const end = buffer.indexOf(0, offset)
    if (end === -1) throw new SyntaxError(`Cannot decode call: its entries do not end within ${buffer.length} bytes`)
    if (end === offset) return { environment, stdin: buffer.subarray(end + 1) }
    const entry = buffer.toString('utf8', offset, end)
    const equals = entry.indexOf('=')
    if (equals > 0) environment.set(entry.slice(0, equals), entry.slice(equals + 1))
    offset = end + 1
  }
}

export function encodeReply({ exitCode, stdout }: ReplyFrame): Buffer {
  return Buffer.concat([Buffer.of(exitCode), Buffer.from(stdout)])
}

export function decodeReply(bytes: Buffer): ReplyFrame {
  return { exitCode: bytes[0] ?? 1, stdout: bytes.toString('utf8', 1) }
}
