import { callHttp } from './http-client.ts'
import type { HttpReply } from './http-server.ts'
import { toFailure } from './failure.ts'
import { callUdp } from './udp.ts'

/** agnhost's `/dial`: asks somebody else on behalf of the caller and tells all answers. */
export async function dial(query: URLSearchParams): Promise<HttpReply> {
  const protocol = query.get('protocol') ?? 'http'
  const host = query.get('host') ?? ''
  const port = Number(query.get('port'))
  const request = query.get('request') ?? 'hostname'
  const tries = Math.max(1, Number(query.get('tries') ?? 1))
  if (protocol !== 'http' && protocol !== 'udp') return { status: 400, body: `unsupported protocol "${protocol}"` }
  const responses: string[] = []
  const errors: string[] = []
  for (let attempt = 0; attempt < tries; attempt++) {
    try {
      responses.push(await ask(protocol, { host, port, request }))
    } catch (error) {
      errors.push(toFailure(error).message)
    }
  }
  return { contentType: 'application/json', body: JSON.stringify({ ...(responses.length > 0 ? { responses } : {}), ...(errors.length > 0 ? { errors } : {}) }) }
}

async function ask(protocol: 'http' | 'udp', { host, port, request }: { readonly host: string, readonly port: number, readonly request: string }): Promise<string> {
  const signal = AbortSignal.timeout(5000)
  if (protocol === 'udp') return (await callUdp({ host, port, message: request, signal })).reply.toString().trim()
  return (await callHttp({ host, port, path: `/${request.replace(/^\//, '')}`, signal })).body.toString().trim()
}
