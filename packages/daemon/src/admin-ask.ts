import { text } from 'node:stream/consumers'
import { AdminRefusedError } from './admin-error.ts'

// A static import would load Node's fetch too: see http-server.ts.
const { request } = process.getBuiltinModule('node:http')

export interface AdminQuestionOptions {
  readonly method: 'GET' | 'POST'
  /** With its parameters, e.g. `/explain/proxy?to=10.96.0.1%3A80`. */
  readonly path: string
}

/**
 * Asks a program of this machine over its admin socket.
 *
 * @param socketPath Its unix socket.
 * @returns The body of a 2xx answer.
 * @throws {AdminRefusedError} When nobody answers within 10 s, or with an error.
 */
export async function askAdmin(socketPath: string, { method, path }: AdminQuestionOptions, { signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<string> {
  const body = method === 'POST' ? '{}' : undefined
  const limit = AbortSignal.timeout(timeoutMs)
  const { status, answer } = await new Promise<{ readonly status: number, readonly answer: string }>((resolve, reject) => {
    request({
      socketPath, method, path, host: 'admin', agent: false, signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      headers: body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) },
    }, (response) => {
      text(response).then((content) => resolve({ status: response.statusCode ?? 0, answer: content }), reject)
    }).once('error', reject).end(body)
  }).catch((cause: unknown) => {
    signal?.throwIfAborted()
    throw new AdminRefusedError(`Cannot ask "${socketPath}": no program answers there`, { cause })
  })
  if (status < 200 || status >= 300) throw new AdminRefusedError(answer.trim())
  return answer
}

const timeoutMs = 10_000
