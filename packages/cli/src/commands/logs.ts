import { type LogSource, SandboxClient } from '@weft/sandbox'
import { sandboxDir } from '../paths.ts'

/** Prints what a pod or a program of the cluster has printed. */
export async function logs(name: string, { namespace, container }: { readonly namespace: string, readonly container?: string }): Promise<number> {
  for await (const text of new SandboxClient(sandboxDir).logs({ source: sourceOf(name, { namespace, container }) })) process.stdout.write(text)
  return 0
}

function sourceOf(name: string, pod: { readonly namespace: string, readonly container: string | undefined }): LogSource {
  const [kind, node] = name.split('/')
  if ((kind === 'agent' || kind === 'dns') && node !== undefined) return { kind, node }
  if (name === 'controller' || name === 'init') return { kind: name }
  return { kind: 'pod', name, ...pod }
}
