import { parseNodeName } from '@weft/api'
import type { Cluster, Place } from '@weft/checks'

/** Every process of a machine one of whose words ends in this name; what searches does not find itself, for its words are a script. */
const endScript = (name: string, signal: string): string => [
  'n=0',
  'for p in /proc/[0-9]*; do',
  `  if tr '\\0' '\\n' <"$p/cmdline" 2>/dev/null | sed 's,.*/,,' | grep -qx '[${name[0]}]${name.slice(1)}'; then kill -${signal} "\${p#/proc/}" && n=1; fi`,
  'done',
  'test $n = 1',
].join('\n')

/** Sends a signal to every process of a node that runs a program. @throws {Error} When there is none. */
export async function signalProgram(cluster: Cluster, node: string, name: string, signal: 'KILL' | 'STOP' | 'CONT' = 'KILL'): Promise<void> {
  const place: Place = { kind: 'node', name: parseNodeName(node) }
  const { code, stderr } = await cluster.run(place, ['sh', '-c', endScript(name, signal)], { timeoutMs: 20_000 })
  if (code !== 0) throw new Error(`Cannot signal "${name}" of node "${node}": ${stderr.trim() || 'no such process runs'}`)
}
