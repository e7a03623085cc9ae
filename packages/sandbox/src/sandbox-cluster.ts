import { readFileSync } from 'node:fs'
import { adminClient, agentCalls, links, nodeResource } from '@weft/api'
import type { Cluster, ClusterNode, Place, RunResult } from '@weft/checks'
import { parseIp } from '@weft/ip'
import { createKubeClient, type KubeClient } from '@weft/kube'
import { SandboxClient } from './control/client.ts'
import type { Target } from './control/protocol.ts'
import { planTopology } from './underlay/topology.ts'

/** A running sandbox as the checks and the end-to-end tests see a cluster. */
export async function sandboxCluster(stateDir: string): Promise<Cluster & AsyncDisposable & { readonly killAgent: NonNullable<Cluster['killAgent']> }> {
  const client = new SandboxClient(stateDir)
  const [status, kube] = [await client.status(), kubeClientOf(client.kubeconfigPath)]
  const { items } = await kube.request<{ items: unknown[] }>('GET', nodeResource.path)
  const segments = new Map(status.nodes.map(({ name, segment }) => [name, segment]))
  const nodes = items.map(nodeResource.trim).map(({ name, internalIps }): ClusterNode => ({ name, ips: internalIps, link: segments.get(name) ?? '' }))
  const plan = planTopology(status.nodes.length, status.family)
  const ips = plan.outside.addresses.map((address) => parseIp(address.slice(0, address.indexOf('/'))))

  const run: Cluster['run'] = async (place, command, { stdin, timeoutMs, signal } = {}): Promise<RunResult> => {
    const signals = [signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)].filter((each) => each !== undefined)
    return await client.run(targetOf(place), command, { stdin, signal: AbortSignal.any(signals) })
  }

  return {
    kube,
    nodes: nodes.sort((a, b) => (a.name < b.name ? -1 : 1)),
    families: [...new Set(ips.map(({ family }) => family))],
    tunnel: links.vxlan,
    outside: ips,
    probe: { image: 'weft.dev/probe', command: ['weft-probe'] },
    ask: (place, questions, options) => run(place, ['weft-probe', 'ask'], { ...options, stdin: questions }),
    run,
    killAgent: async (node) => void await client.killAgent(node),
    agentStatus: async (node) => await adminClient(agentCalls, client.admin('agents', node)).status({}),
    async [Symbol.asyncDispose]() {
      await kube[Symbol.asyncDispose]()
    },
  }
}

function targetOf(place: Place): Target {
  return place.kind === 'node' ? { kind: 'node', node: place.name } : place
}

/**
 * A client for the kubeconfig that the sandbox wrote itself: one cluster, one user, one token. Reading it here saves loading
 * the library that knows every kubeconfig, which takes longer than a check.
 */
function kubeClientOf(path: string): KubeClient & AsyncDisposable {
  const config = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly clusters: readonly [{ readonly cluster: { readonly server: string, readonly 'certificate-authority-data': string } }]
    readonly users: readonly [{ readonly user: { readonly token: string } }]
  }
  const [{ cluster }] = config.clusters
  return createKubeClient({ server: [cluster.server], ca: Buffer.from(cluster['certificate-authority-data'], 'base64').toString(), token: config.users[0].user.token })
}
