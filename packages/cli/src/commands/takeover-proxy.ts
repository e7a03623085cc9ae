import { SandboxClient } from '@weft/sandbox'
import { sandboxDir } from '../paths.ts'

/** Removes, or only lists, what kube-proxy left on a node. */
export async function takeoverProxy(node: string, { dryRun }: { readonly dryRun: boolean }): Promise<number> {
  const answer = await new SandboxClient(sandboxDir).agent(node, '/takeover/proxy', dryRun ? undefined : {})
  process.stdout.write(String(answer))
  return 0
}
