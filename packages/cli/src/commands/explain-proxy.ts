import { podResource } from '@weft/api'
import { formatIp, parseIp } from '@weft/ip'
import { sandboxCluster, SandboxClient } from '@weft/sandbox'
import { sandboxDir } from '../paths.ts'

interface ExplainOptions {
  readonly from: string
  readonly protocol: string
  readonly node?: string
}

/** Prints what a node's proxy does with a new connection. */
export async function explainProxy(to: string, { from, protocol, node }: ExplainOptions): Promise<number> {
  const family = to.startsWith('[') ? 6 : 4
  const client = await clientOf(from, family)
  const asked = node ?? client.node
  if (asked === undefined) throw new Error(`Cannot explain "${to}" from "${from}": nobody says on which node, wanted --node`)
  const query = new URLSearchParams({ to, protocol, ...(client.ip === undefined ? {} : { from: client.ip }) })
  const answer = await new SandboxClient(sandboxDir).agent(asked, `/explain/proxy?${query.toString()}`)
  process.stdout.write(typeof answer === 'string' ? answer : `${JSON.stringify(answer, undefined, 2)}\n`)
  return 0
}

/** A pod's address of that family and its node; an address alone; nothing for the node itself. */
async function clientOf(from: string, family: 4 | 6): Promise<{ readonly ip?: string, readonly node?: string }> {
  if (from === 'node') return {}
  if (!from.includes('/')) return { ip: formatIp(parseIp(from)) }
  await using cluster = await sandboxCluster(sandboxDir)
  const [namespace, name] = from.split('/')
  const pod = podResource.trim(await cluster.kube.request('GET', `/api/v1/namespaces/${namespace}/pods/${name}`))
  const ip = pod.ips.find((one) => one.family === family)
  if (ip === undefined) throw new Error(`Cannot explain from pod "${from}": it has no IPv${family} address, wanted a pod that runs`)
  return { ip: formatIp(ip), node: pod.nodeName }
}
