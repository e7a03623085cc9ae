import { SandboxClient } from '@weft/sandbox'
import { sandboxDir } from '../paths.ts'

/** Prints what a feature wants in the kernel of a node, or the zone its DNS server answers from. */
export async function dump(feature: string, node: string): Promise<number> {
  const client = new SandboxClient(sandboxDir)
  const answer = feature === 'dns' ? await client.dns(node, '/dump/zone') : await client.agent(node, `/dump/${feature}`)
  process.stdout.write(typeof answer === 'string' ? answer : `${JSON.stringify(answer, undefined, 2)}\n`)
  return 0
}
