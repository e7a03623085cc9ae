import { setTimeout as sleep } from 'node:timers/promises'
import { collectOutput } from '../inside/command.ts'
import { messageOf } from '../errors.ts'
import type { ContainerProcess } from './container-process.ts'
import type { Container, Handler } from './pod-object.ts'
import type { Prober } from './prober.ts'

export interface HandlerContext {
  readonly container: Container
  readonly process: ContainerProcess
  readonly podIp: string
  readonly prober: Prober
  readonly timeoutMs: number
}

/** Carries out a probe or lifecycle hook once. @returns Why it failed, undefined when it did not. */
export async function performHandler(handler: Handler, { container, process, podIp, prober, timeoutMs }: HandlerContext): Promise<string | undefined> {
  if (handler.exec !== undefined) {
    try {
      const { code, stdout, stderr } = await collectOutput(process.exec(handler.exec.command), { signal: AbortSignal.timeout(timeoutMs) })
      return code === 0 ? undefined : `code ${code}: ${(stdout + stderr).trim().slice(0, 200)}`
    } catch (error) {
      return messageOf(error)
    }
  }
  if (handler.httpGet !== undefined) {
    const { path = '/', port, host, scheme, httpHeaders = [] } = handler.httpGet
    return await prober.attempt({
      // A certificate of a pod is not checked by kubelets either; that somebody listens is all that is asked.
      kind: scheme === 'HTTPS' ? 'tcp' : 'http',
      host: host === undefined || host === '' ? podIp : host,
      port: portNumber(container, port),
      path: path.startsWith('/') ? path : `/${path}`,
      headers: Object.fromEntries(httpHeaders.map(({ name, value }) => [name, value])),
      timeoutMs,
    })
  }
  if (handler.tcpSocket !== undefined) {
    const { port, host } = handler.tcpSocket
    return await prober.attempt({ kind: 'tcp', host: host === undefined || host === '' ? podIp : host, port: portNumber(container, port), path: '', headers: {}, timeoutMs })
  }
  if (handler.sleep !== undefined) {
    await sleep(Math.min(handler.sleep.seconds * 1000, timeoutMs))
    return undefined
  }
  return 'the sandbox does not know this kind of probe'
}

function portNumber({ ports = [] }: Container, port: number | string): number {
  return typeof port === 'number' ? port : ports.find(({ name }) => name === port)?.containerPort ?? Number(port)
}
