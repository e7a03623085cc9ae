import { writeFile } from 'node:fs/promises'
import type { NodeName, PolicyExplanation } from '@weft/api'
import type { ClusterOptions } from '@weft/checks'
import { type ClusterPrograms, openPrograms } from '../cluster-programs.ts'
import { enter } from '../enter.ts'
import { drawMatrix } from '../policy/draw-matrix.ts'
import { differs, formatExplanation } from '../policy/format-explanation.ts'
import { formatMatrix } from '../policy/format-matrix.ts'

interface Traffic extends ClusterOptions {
  readonly protocol?: string
  readonly port?: string
  readonly family?: '4' | '6'
  readonly json: boolean
}

/** Says why a connection is open or closed. Exit code 1 when a kernel does not do what the policies say. */
export async function explain({ from, to, protocol, port, family, json, ...options }: Traffic & { readonly from: string, readonly to: string }): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  await using programs = await openPrograms(options)
  const ask = async (node: NodeName): Promise<PolicyExplanation> => await (await programs.agent(node)).explainPolicy({ from, to, protocol, port, family })
  const first = await ask(await anyNode(programs))
  // The kernels that filter either end, each told by its own agent.
  const nodes = new Set([first.from.node, first.to.node].filter((node) => node !== undefined))
  const told = await Promise.all([...nodes].map(async (node) => (node === first.teller ? first : await ask(node))))
  const explanations = [told[0] ?? first, ...told.slice(1)] as const
  process.stdout.write(json ? `${JSON.stringify({ explanations })}\n` : formatExplanation(explanations))
  return explanations.some(differs) ? 1 : 0
}

/** Who reaches whom, as a table, as JSON, or as a picture. */
export async function matrix({ namespaces, svg, protocol, port, family, json, ...options }: Traffic & { readonly namespaces: readonly string[], readonly svg?: string }): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  await using programs = await openPrograms(options)
  const found = await (await programs.agent(await anyNode(programs))).policyMatrix({ protocol, port, family, namespaces: namespaces.join(',') })
  if (svg !== undefined) await writeFile(svg, drawMatrix(found))
  process.stdout.write(json ? `${JSON.stringify(found)}\n` : formatMatrix(found))
  return 0
}

/** Every agent knows all policies and pods. */
async function anyNode(programs: ClusterPrograms): Promise<NodeName> {
  const [node] = await programs.nodes()
  if (node === undefined) throw new Error('Cannot explain policies: the cluster has no node')
  return node
}
