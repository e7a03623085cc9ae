import { podResource } from '@weft/api'
import { formatIp } from '@weft/ip'
import { sandboxCluster, sandboxStatus } from '@weft/sandbox'
import { sandboxDir } from '../paths.ts'
import { formatTable, ok } from '../terminal.ts'

/** Nodes with their programs, and pods. Exit code 1 when the cluster is away or not ready. */
export async function status({ json }: { readonly json: boolean }): Promise<number> {
  const presence = await sandboxStatus(sandboxDir)
  if (presence.kind !== 'running' || presence.status === undefined) {
    process.stdout.write(json ? `${JSON.stringify({ state: presence.kind })}\n` : `${describe(presence.kind)}\n`)
    return 1
  }
  const { nodes, programs, ready, server, kubeconfig } = presence.status
  await using cluster = await sandboxCluster(sandboxDir)
  const pods = (await cluster.kube.request<{ items: unknown[] }>('GET', podResource.path)).items.map(podResource.trim)
  if (json) {
    process.stdout.write(`${JSON.stringify({ state: 'running', ready, server, kubeconfig, nodes, programs, pods: pods.map(({ namespace, name, nodeName, ips, ready }) => ({ namespace, name, node: nodeName ?? '', ips: ips.map(formatIp), ready })) })}\n`)
    return ready ? 0 : 1
  }
  const running = (list: typeof programs): string => list.map(({ name, pid, restarts, lastEnd }) => `${name.split(' ', 1)[0]} ${pid === undefined ? `down (${lastEnd ?? 'starting'})` : `pid ${pid}`}${restarts > 0 ? `, ${restarts} restarts` : ''}`).join('; ')
  process.stdout.write([
    formatTable(['node', '', 'segment', 'addresses', 'pods', 'programs'], nodes.map((node) => [node.name, ok(node.ready), node.segment, node.addresses.join(' '), String(node.pods), running(node.programs)])),
    ...nodes.filter((node) => !node.ready).map((node) => `${node.name}: ${node.reason}`),
    '',
    formatTable(['namespace', 'pod', '', 'node', 'addresses'], pods.map((pod) => [pod.namespace, pod.name, pod.ready ? ok(true) : 'not ready', pod.nodeName ?? '', pod.ips.map(formatIp).join(' ')])),
    '',
    running(programs),
    `API server ${server}, kubeconfig ${kubeconfig}`,
    '',
  ].join('\n'))
  return ready ? 0 : 1
}

function describe(kind: 'none' | 'kept' | 'dead' | 'starting' | 'running'): string {
  switch (kind) {
    case 'none': return 'no cluster is running; `./weft up` starts one'
    case 'kept': return 'no cluster is running; `./weft up` goes on with the objects that were kept, `./weft down` removes them'
    case 'dead': return 'the cluster died without `down`; `./weft up` goes on with its objects, `./weft down` removes them'
    case 'starting': return 'the cluster is being started'
    case 'running': return 'the cluster runs but does not answer; `./weft logs init` may say why'
    default: return kind satisfies never
  }
}
