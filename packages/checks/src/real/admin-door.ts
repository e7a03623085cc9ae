import type { AdminDoor, Pod } from '@weft/api'
import { execInPod, type KubeConnection } from '@weft/kube'
import type { WeftContainer } from './find-pods.ts'

/** Reaches a program's admin socket from inside its own container (`pods/exec`): no port is open for it, and the API server says who may. */
export function podDoor(kube: KubeConnection, pod: Pick<Pod, 'namespace' | 'name'>, { name: container, socket }: WeftContainer): AdminDoor {
  return async ({ method, path }, { signal }) => {
    const command = ['weft', 'admin', path, ...(method === 'POST' ? ['--post'] : []), '--socket', socket]
    const limit = AbortSignal.timeout(timeoutMs)
    const { code, stdout, stderr } = await execInPod(kube, { ...pod, container }, command, { signal: signal === undefined ? limit : AbortSignal.any([signal, limit]) })
    if (code !== 0) throw new Error(stderr.trim() === '' ? `Cannot ask pod "${pod.namespace}/${pod.name}": weft admin ended with code ${code}` : stderr.trim())
    return stdout
  }
}

/** A program is started there for every question. */
const timeoutMs = 10_000
