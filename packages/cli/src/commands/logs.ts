import { SandboxClient } from '@weft/sandbox'
import { logSource } from '../log-source.ts'
import { sandboxDir } from '../paths.ts'

/** Prints what a pod or a program of the cluster has printed. */
export async function logs(name: string, pod: { readonly namespace: string, readonly container?: string }): Promise<number> {
  for await (const text of new SandboxClient(sandboxDir).logs({ source: logSource(name, pod) })) process.stdout.write(text)
  return 0
}
