import { writeFile } from 'node:fs/promises'
import type { PolicyExplanation, PolicyMatrix } from '@weft/api'
import { SandboxClient } from '@weft/sandbox'
import { sandboxDir } from '../paths.ts'
import { drawMatrix } from '../policy/draw-matrix.ts'
import { differs, formatExplanation } from '../policy/format-explanation.ts'
import { formatMatrix } from '../policy/format-matrix.ts'

interface Traffic {
  readonly protocol?: string
  readonly port?: string
  readonly family?: '4' | '6'
  readonly json: boolean
}

/** Says why a connection is open or closed. Exit code 1 when a kernel does not do what the policies say. */
export async function explain({ from, to, protocol, port, family, json }: Traffic & { readonly from: string, readonly to: string }): Promise<number> {
  const client = new SandboxClient(sandboxDir)
  const ask = async (node: string): Promise<PolicyExplanation> => await askAgent(client, node, `/explain/policy?${query({ from, to, protocol, port, family })}`)
  const first = await ask(await anyNode(client))
  // The kernels that filter either end, each told by its own agent.
  const nodes = new Set([first.from.node, first.to.node].filter((node) => node !== undefined))
  const told = await Promise.all([...nodes].map(async (node) => (node === first.teller ? first : await ask(node))))
  const explanations = [told[0] ?? first, ...told.slice(1)] as const
  process.stdout.write(json ? `${JSON.stringify({ explanations })}\n` : formatExplanation(explanations))
  return explanations.some(differs) ? 1 : 0
}

/** Who reaches whom, as a table, as JSON, or as a picture. */
export async function matrix({ namespaces, svg, protocol, port, family, json }: Traffic & { readonly namespaces: readonly string[], readonly svg?: string }): Promise<number> {
  const client = new SandboxClient(sandboxDir)
  const found: PolicyMatrix = await askAgent(client, await anyNode(client), `/explain/policy-matrix?${query({ protocol, port, family, namespaces: namespaces.join(',') })}`)
  if (svg !== undefined) await writeFile(svg, drawMatrix(found))
  process.stdout.write(json ? `${JSON.stringify(found)}\n` : formatMatrix(found))
  return 0
}

/** Every agent knows all policies and pods. */
async function anyNode(client: SandboxClient): Promise<string> {
  const { nodes } = await client.status()
  const node = nodes.find(({ ready }) => ready) ?? nodes[0]
  if (node === undefined) throw new Error('Cannot explain policies: the cluster has no node')
  return node.name
}

async function askAgent<T>(client: SandboxClient, node: string, path: string): Promise<T> {
  return await client.agent(node, path) as T
}

function query(parameters: Readonly<Record<string, string | undefined>>): string {
  return new URLSearchParams(Object.entries(parameters).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))).toString()
}
