import { getSystemErrorMessage } from 'node:util'
import type { Dispatcher } from 'undici'
import { KubeError } from './errors.ts'
import { readBody } from './lines.ts'
import { isRecord } from './object.ts'

/** A Status object is small; what a proxy in between sends instead need not be. */
const maxStatusBytes = 256 * 1024

/** The error an answer of 300 and above stands for; reads its Status object. */
export async function statusError(answer: Dispatcher.ResponseData, what: string): Promise<KubeError> {
  let status: unknown
  try {
    status = JSON.parse((await readBody(answer.body, maxStatusBytes)).toString('utf8'))
  } catch {
    // Not a Status object: the code has to do.
  }
  const retryAfter = answer.headers['retry-after']
  return errorOfStatus(status, what, answer.statusCode, typeof retryAfter === 'string' ? Number(retryAfter) * 1000 : undefined)
}

/**
 * The error a Kubernetes Status object stands for.
 *
 * @param code Used when the object carries none.
 */
export function errorOfStatus(status: unknown, what: string, code = 0, retryAfterMs?: number): KubeError {
  const fields = isRecord(status) && status['kind'] === 'Status' ? status : {}
  const details = isRecord(fields['details']) ? fields['details'] : {}
  const number = code !== 0 ? code : typeof fields['code'] === 'number' ? fields['code'] : 500
  const named = causeOf(details) ?? fields['reason']
  const reason = typeof named === 'string' && named !== '' ? named : (process.getBuiltinModule('node:http').STATUS_CODES[number] ?? '').replaceAll(' ', '')
  const message = typeof fields['message'] === 'string' && fields['message'] !== '' ? fields['message'].slice(0, 1024) : `no Status object came with it`
  const seconds = typeof details['retryAfterSeconds'] === 'number' ? details['retryAfterSeconds'] * 1000 : undefined
  const wait = retryAfterMs !== undefined && Number.isFinite(retryAfterMs) ? retryAfterMs : seconds
  return new KubeError('ERR_KUBE_STATUS', `Cannot ${what}: ${number} ${reason}, ${message}`, { status: number, reason, retryAfterMs: wait })
}

/** The one cause that says more than the reason it comes with (`Timeout`). */
function causeOf(details: Readonly<Record<string, unknown>>): string | undefined {
  const causes = Array.isArray(details['causes']) ? details['causes'] : []
  return causes.some((cause: unknown) => isRecord(cause) && cause['reason'] === 'ResourceVersionTooLarge') ? 'ResourceVersionTooLarge' : undefined
}

/** Errors before the first byte of a request left: no server can have acted on it. */
const unsentCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT',
])

/** Turns whatever the transport threw into a {@link KubeError}. */
export function faultOf(error: unknown, what: string, timedOut: boolean): KubeError {
  if (error instanceof KubeError) return error
  if (error instanceof SyntaxError) return new KubeError('ERR_KUBE_GARBAGE', `Cannot ${what}: the answer is not JSON`, { cause: error })
  const code = isCoded(error) ? error.code : ''
  if (timedOut || code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new KubeError('ERR_KUBE_TIMEOUT', `Cannot ${what}: no complete answer in time`, { cause: error })
  }
  const unsent = unsentCodes.has(code) || isTlsFault(code)
  return new KubeError('ERR_KUBE_UNREACHABLE', `Cannot ${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error, unsent })
}

/** No address led to an answer: says which were tried, and what became of each. */
export function unanswered(what: string, tried: ReadonlyMap<string, KubeError>, last: KubeError): KubeError {
  const each = [...tried].map(([origin, fault]) => `${origin} (${wordsOf(fault)})`).join(', ')
  return new KubeError('ERR_KUBE_UNREACHABLE', `Cannot ${what}: no answer from ${each}`, { cause: last.cause, unsent: last.unsent })
}

/** In the words of the system, where it has any: `connection refused`. */
function wordsOf({ cause, message }: KubeError): string {
  if (isCoded(cause) && cause.code === 'UND_ERR_CONNECT_TIMEOUT') return 'no connection in time'
  if (isCoded(cause) && 'errno' in cause && typeof cause.errno === 'number' && cause.errno < 0) return getSystemErrorMessage(cause.errno)
  return cause instanceof Error ? cause.message : message
}

function isTlsFault(code: string): boolean {
  return code.startsWith('ERR_TLS_') || code.startsWith('ERR_SSL_') || code.startsWith('CERT_') || code.includes('_CERT') || code.startsWith('UNABLE_TO_')
}

function isCoded(error: unknown): error is { readonly code: string } {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
}
