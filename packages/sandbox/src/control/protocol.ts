import type { AddressFamilies } from '../underlay/topology.ts'

/**
 * The control socket speaks HTTP/1.1:
 *
 *     GET  /status                        SandboxStatus
 *     POST /shutdown                      202, then everything ends
 *     POST /run                           header `weft-run`: RunRequest as base64url JSON; body: standard input; answer: frames
 *     GET  /logs?…                        text; see LogRequest
 *     POST /agents/<node>/kill            { pid }: SIGKILL, its supervisor starts another
 *     *    /agents/<node>/admin/<path>    whatever the agent's admin socket answers; so /dns/<node> and /controllers/cluster
 *     POST /attachments/check?…           CNI CHECK of one pod
 *     GET  /enter?…                       EnterAnswer: how a process on the host enters
 */
export const runHeader = 'weft-run'

/** Programs with an admin socket. */
export const adminPrograms = ['agents', 'dns', 'controllers'] as const
export type AdminProgram = (typeof adminPrograms)[number]

export interface PodTarget {
  readonly namespace: string
  readonly name: string
  /** @default the first container */
  readonly container?: string | undefined
}

/** Where a command runs. */
export type Target =
  | ({ readonly kind: 'pod' } & PodTarget)
  /** In the node's network namespace, with all rights of the sandbox. */
  | { readonly kind: 'node', readonly node: string }
  /** In the namespace of the client behind the router. */
  | { readonly kind: 'outside' }
  /** In the router's namespace. */
  | { readonly kind: 'router' }
  /** In the sandbox's own namespace, where the bridges are. */
  | { readonly kind: 'sandbox' }

export interface RunRequest {
  readonly target: Target
  readonly command: readonly string[]
}

/** What to show: a container's log, or that of a program of the sandbox. */
export type LogSource =
  | ({ readonly kind: 'pod', readonly previous?: boolean | undefined } & PodTarget)
  | { readonly kind: 'agent' | 'dns', readonly node: string }
  | { readonly kind: 'controller' | 'init' }

export interface LogRequest {
  readonly source: LogSource
  /** Only the last lines. @default all */
  readonly tail?: number | undefined
  /** Goes on until the reader leaves or the source ends. @default false */
  readonly follow?: boolean | undefined
  /** Puts the time before every line of a container. @default false */
  readonly timestamps?: boolean | undefined
}

export interface ProgramStatus {
  readonly name: string
  /** Undefined while it waits to be started again. */
  readonly pid?: number | undefined
  readonly restarts: number
  /** Why it is not running, or how it ended last. */
  readonly lastEnd?: string | undefined
}

export interface NodeStatus {
  readonly name: string
  readonly segment: string
  readonly addresses: readonly string[]
  readonly ready: boolean
  /** Why it is not ready. */
  readonly reason: string
  readonly pods: number
  readonly programs: readonly ProgramStatus[]
}

export interface SandboxStatus {
  readonly family: AddressFamilies
  readonly server: string
  readonly kubeconfig: string
  readonly ready: boolean
  readonly nodes: readonly NodeStatus[]
  readonly programs: readonly ProgramStatus[]
}

/** Arguments for `nsenter`, to run below the process that entered the sandbox from the host. */
export interface EnterAnswer {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export type FrameKind = 'stdout' | 'stderr' | 'exit'

export interface Frame {
  readonly kind: FrameKind
  readonly data: Buffer
}

/** Content of an exit frame, JSON. */
export interface RunExit {
  /** Exit code; 128 + n for a signal, as shells have it. */
  readonly code: number
  /** Why it could not be run at all. */
  readonly error?: string | undefined
}

const kinds: readonly FrameKind[] = ['stdout', 'stderr', 'exit']
const headerBytes = 5

/** One byte of kind, four of length (big endian), then the data. */
export function encodeFrame(kind: FrameKind, data: Uint8Array): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt8(kinds.indexOf(kind), 0)
  header.writeUInt32BE(data.byteLength, 1)
  return Buffer.concat([header, data])
}

/** Cuts a byte stream into frames. */
export async function* decodeFrames(stream: AsyncIterable<Buffer>): AsyncIterable<Frame> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    rest = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.byteLength >= headerBytes) {
      const end = headerBytes + rest.readUInt32BE(1)
      if (rest.byteLength < end) break
      const kind = kinds[rest.readUInt8(0)]
      if (kind === undefined) throw new SyntaxError(`Cannot read frame: its kind is ${rest.readUInt8(0)}, wanted 0 to ${kinds.length - 1}`)
      yield { kind, data: rest.subarray(headerBytes, end) }
      rest = rest.subarray(end)
    }
  }
  if (rest.byteLength > 0) throw new SyntaxError('Cannot read frame: the stream ended inside it')
}
