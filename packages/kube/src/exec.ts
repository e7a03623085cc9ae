import type { KubeConnection } from './client.ts'
import { KubeError } from './errors.ts'
import { isRecord } from './object.ts'

export interface ExecTarget {
  readonly namespace: string
  readonly name: string
  /** @default the pod's first container */
  readonly container?: string | undefined
}

export interface ExecOptions {
  readonly stdin?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ExecResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Fifth version: the first that can end standard input (Kubernetes 1.30). */
const subprotocol = 'v5.channel.k8s.io'
/** First byte of each message. */
const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255 } as const

/**
 * Runs a command in a container, as `kubectl exec` does.
 *
 * @throws {KubeError} When it could not be started, or the connection broke; a command that fails only has a code.
 */
export async function execInPod(client: KubeConnection, { namespace, name, container }: ExecTarget, command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  const { stdin, signal } = options
  const what = `exec in pod "${namespace}/${name}"`
  signal?.throwIfAborted()
  // The server does not choose for a pod that has several.
  const first = container ?? (await client.request<{ readonly spec: { readonly containers: readonly [{ readonly name: string }] } }>('GET', `/api/v1/namespaces/${namespace}/pods/${name}`, { signal })).spec.containers[0].name
  const query = new URLSearchParams({ stdout: 'true', stderr: 'true', ...(stdin === undefined ? {} : { stdin: 'true' }), container: first })
  for (const word of command) query.append('command', word)
  const socket = await client.socket(`/api/v1/namespaces/${namespace}/pods/${name}/exec`, { query, protocols: [subprotocol] })
  socket.binaryType = 'arraybuffer'

  const output: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const onAbort = (): void => reject(signal!.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  socket.addEventListener('open', () => {
    if (stdin === undefined) return
    socket.send(frame(channels.stdin, Buffer.from(stdin)))
    socket.send(frame(channels.close, Uint8Array.of(channels.stdin)))
  })
  socket.addEventListener('message', ({ data }) => {
    const bytes = Buffer.from(data as ArrayBuffer)
    switch (bytes[0]) {
      case channels.stdout: return void output.stdout.push(bytes.subarray(1))
      case channels.stderr: return void output.stderr.push(bytes.subarray(1))
      case channels.status: {
        try {
          resolve(exitCodeOf(JSON.parse(bytes.toString('utf8', 1)), what))
        } catch (error) {
          reject(error)
        }
        return
      }
      default:
    }
  })
  // After the status both change nothing.
  socket.addEventListener('error', ({ error }: { readonly error?: unknown }) => reject(new KubeError('ERR_KUBE_UNREACHABLE', `Cannot ${what}: the connection was refused or broke`, { cause: error })))
  socket.addEventListener('close', () => reject(new KubeError('ERR_KUBE_UNREACHABLE', `Cannot ${what}: the connection ended before the command did`)))
  try {
    const code = await promise
    return { code, stdout: Buffer.concat(output.stdout).toString('utf8'), stderr: Buffer.concat(output.stderr).toString('utf8') }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    socket.close()
  }
}

function frame(channel: number, data: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(channel), data])
}

/** The Status object that ends a command: success, its exit code, or why it could not be started. */
function exitCodeOf(status: unknown, what: string): number {
  const fields = isRecord(status) ? status : {}
  if (fields['status'] === 'Success') return 0
  const causes = isRecord(fields['details']) && Array.isArray(fields['details']['causes']) ? fields['details']['causes'] : []
  const exit = causes.find((cause: unknown) => isRecord(cause) && cause['reason'] === 'ExitCode') as { readonly message?: string } | undefined
  if (exit?.message !== undefined) return Number(exit.message)
  throw new KubeError('ERR_KUBE_STATUS', `Cannot ${what}: ${typeof fields['message'] === 'string' ? fields['message'] : 'no reason came with the failure'}`)
}
