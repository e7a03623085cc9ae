import type { Pod } from '@weft/api'
import { type Check, type CheckContext, ensure, NotTried } from '../check.ts'
import { type ClusterNode, formatPlace, type Place } from '../cluster.ts'
import { ports } from '../demo.ts'
import { eachFamily } from '../family.ts'
import { clientOf, ipOf, nodeOf, placeOf } from '../scene.ts'
import { pathTo, type Placement, placementOf } from './path.ts'

export const podChecks: readonly Check[] = [
  {
    name: 'localhost-in-pod',
    promise: 'two containers of a pod meet on localhost',
    prove: async (context) => eachFamily(context, async (family) => {
      const { client } = await context.scene()
      const host = family === 4 ? '127.0.0.1' : '::1'
      const [answer] = await context.ask.from({ ...placeOf(client), container: 'web' } as Place, { kind: 'http', host, port: ports.side, path: '/hostname' })
      ensure(answer === client.name, `${host}:${ports.side} answered "${answer}", wanted ${client.name}`)
      return `container web reached container side on ${host}:${ports.side}`
    }),
  },
  {
    name: 'pod-to-pod-same-node',
    promise: 'pod to pod on one node, source kept',
    prove: async (context) => eachFamily(context, async (family) => podToPod(context, family, 'on one node')),
  },
  {
    name: 'pod-to-pod-same-link',
    promise: 'pod to pod across nodes on one link, source kept',
    prove: async (context) => eachFamily(context, async (family) => podToPod(context, family, 'on one link')),
  },
  {
    name: 'pod-to-pod-across-router',
    promise: 'pod to pod across the router, source kept',
    prove: async (context) => eachFamily(context, async (family) => podToPod(context, family, 'across a router')),
  },
  {
    name: 'node-to-remote-pod',
    promise: 'a node reaches a pod of a remote node',
    prove: async (context) => eachFamily(context, async (family) => {
      const { webs } = await context.scene()
      const node = context.cluster.nodes[0]!
      const pod = webs.at(-1)!
      const client = await clientSeen(context, { kind: 'node', name: node.name }, ipOf(pod, family), ports.http)
      ensure(client === ipOf(node, family), `${pod.name} saw ${client}, wanted the node's ${ipOf(node, family)}`)
      return `${node.name} -> ${ipOf(pod, family)} on ${pod.nodeName} (${await pathTo(context, node, pod, family)}), which saw ${client}`
    }),
  },
  {
    name: 'pod-to-remote-node',
    promise: 'a pod reaches a remote node, source kept',
    prove: async (context) => eachFamily(context, async (family) => {
      const { client: pod, hosts } = await context.scene()
      const node = nodeOf(context.cluster, hosts.at(-1)!)
      const [client, path] = await Promise.all([clientSeen(context, placeOf(pod), ipOf(node, family), ports.node), hopsToNode(context, pod, node, family)])
      ensure(client === ipOf(pod, family), `${node.name} saw ${client}, wanted the pod's ${ipOf(pod, family)}`)
      return `${pod.name} on ${pod.nodeName} -> ${node.name} ${ipOf(node, family)}${path}, which saw ${client}`
    }),
  },
]

/** @param wanted How the two pods' nodes lie to each other. */
async function podToPod(context: CheckContext, family: 4 | 6, wanted: Placement): Promise<string> {
  const { client: pod, webs } = await context.scene()
  const from = nodeOf(context.cluster, pod)
  const placements = await Promise.all(webs.map(async (web) => await placementOf(context, from, nodeOf(context.cluster, web), family)))
  const target = webs[placements.indexOf(wanted)]
  if (target === undefined) throw new NotTried(`no node of this cluster is so placed to ${from.name}: ${wanted}`)
  const to = nodeOf(context.cluster, target)
  const client = await clientSeen(context, placeOf(pod), ipOf(target, family), ports.http)
  ensure(client === ipOf(pod, family), `${target.name} saw ${client}, wanted the pod's own ${ipOf(pod, family)}`)
  const path = from.name === to.name ? 'on one node' : await pathTo(context, from, target, family)
  return `${ipOf(pod, family)} on ${from.name} -> ${ipOf(target, family)} on ${to.name} (${path}), which saw ${client}`
}

/**
 * Where a rule sends what pods say to remote nodes, the main table does not tell the path. A datagram does: with two hops to
 * live it passes the pod's own node, and dies at a router unless the tunnel carries it past.
 *
 * @returns For the evidence; empty where the path is not judged.
 */
async function hopsToNode({ ask, cluster }: CheckContext, pod: Pod, node: ClusterNode, family: 4 | 6): Promise<string> {
  if (cluster.tunnel === undefined || nodeOf(cluster, pod).link === node.link) return ''
  await ask.from(placeOf(pod), { kind: 'udp', host: ipOf(node, family), port: ports.node, message: 'hostname', ttl: 2 })
  return ` (in 2 hops: dev ${cluster.tunnel}, past the router)`
}

async function clientSeen(context: CheckContext, from: Place, host: string, port: number): Promise<string> {
  const [answer] = await context.ask.from(from, { kind: 'http', host, port, path: '/clientip' })
  ensure(answer !== undefined, `${formatPlace(from)} got no answer from ${host}`)
  return clientOf(answer)
}
