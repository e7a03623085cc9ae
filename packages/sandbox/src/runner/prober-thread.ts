// Runs in a worker that stays in a node's network namespace: the kubelet's side of HTTP and TCP probes.
import { BroadcastChannel } from 'node:worker_threads'
import { toFailure } from '../probe/failure.ts'
import { callHttp, connectTcp } from '../probe/http-client.ts'

/** What a node is asked to try. */
export interface ProbeOrder {
  readonly kind: 'http' | 'tcp'
  readonly host: string
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

export type ToProber = { readonly to: 'prober', readonly id: number, readonly order: ProbeOrder }
/** `failure` is undefined when all is well; id 0 says that the prober listens. */
export type FromProber = { readonly to: 'runner', readonly id: number, readonly failure?: string | undefined }

/** Answers orders on a channel for as long as the worker lives. */
export async function serveProbes({ channel: name }: { readonly channel: string }): Promise<never> {
  const channel = new BroadcastChannel(name)
  // A channel of Node, which knows no origins.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  const tell = (message: FromProber): void => channel.postMessage(message)
  channel.addEventListener('message', (event: { readonly data: ToProber | FromProber }) => {
    const { data } = event
    if (data.to === 'prober') void attempt(data.order).then((failure) => tell({ to: 'runner', id: data.id, failure }))
  })
  tell({ to: 'runner', id: 0 })
  return await new Promise<never>(() => undefined)
}

async function attempt({ kind, host, port, path, headers, timeoutMs }: ProbeOrder): Promise<string | undefined> {
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    if (kind === 'tcp') {
      (await connectTcp({ host, port, signal })).destroy()
      return undefined
    }
    const { status, body } = await callHttp({ host, port, path, headers: { 'User-Agent': 'kube-probe/weft', ...headers }, signal })
    return status >= 200 && status < 400 ? undefined : `HTTP ${status}: ${body.toString().slice(0, 100)}`
  } catch (error) {
    const { word, message } = toFailure(error)
    return `${word}: ${message}`
  }
}
