import type { LogSource } from '@weft/sandbox'

/**
 * Whose output a name means: `agent/NODE` and `dns/NODE`, `controller`, `init`, else a pod.
 *
 * @throws {RangeError} If it has the form of a program of a node and there is no such program.
 */
export function logSource(name: string, pod: { readonly namespace: string, readonly container?: string | undefined }): LogSource {
  const [program, node] = name.split('/')
  if (node !== undefined) {
    if (program === 'agent' || program === 'dns') return { kind: program, node }
    throw new RangeError(`Cannot read log "${name}": the programs of a node are agent and dns, want agent/NODE, dns/NODE, controller, init or the name of a pod`)
  }
  if (name === 'controller' || name === 'init') return { kind: name }
  return { kind: 'pod', name, namespace: pod.namespace, container: pod.container }
}
