import type { Clock } from '@weft/daemon'
import type { KubeConnection } from '@weft/kube'
import type { Values } from '@weft/manifests'
import type { ClusterFacts } from './cluster/facts.ts'
import { rangeFindings } from './cluster/ranges.ts'
import { failure, fine, type Finding, warning } from './node/finding.ts'
import { type NodeProgram, runOnNodes } from './node-pods.ts'

/** Findings of one node, or of the cluster as a whole. */
export interface PreflightReport {
  /** Name of the node; `cluster` for the whole. */
  readonly where: string
  readonly findings: readonly Finding[]
}

/** Everything of the machine that preflight looks at, none of it writable. */
const preflightProgram = (image: string, apiServers: readonly string[]): NodeProgram => ({
  name: 'weft-preflight',
  image,
  command: ['weft', 'node-preflight', '--root', '/host', ...apiServers.flatMap((server) => ['--api-server', server])],
  capabilities: ['NET_ADMIN'],
  folders: ['/etc', '/run', '/var/lib'].map((path) => ({ path, at: `/host${path}`, writable: false })),
})

interface PreflightOptions {
  readonly image: string
  /** What will be installed. */
  readonly values: Pick<Values, 'config' | 'apiServers'>
  readonly replaceKubeProxy: boolean
  /** Whether the cluster tells the API server's address, or somebody does. */
  readonly knowsApiServers: boolean
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly onProgress?: ((done: number, all: number) => void) | undefined
}

const nodeTimeoutMs = 60_000

/** Looks at the cluster and at each of its nodes; nothing is changed. */
export async function preflight(kube: KubeConnection, facts: ClusterFacts, { image, values, replaceKubeProxy, knowsApiServers, signal, clock, onProgress }: PreflightOptions): Promise<readonly PreflightReport[]> {
  const outcomes = await runOnNodes(kube, facts.nodes, preflightProgram(image, knowsApiServers ? values.apiServers : []), { signal, clock, timeoutMs: nodeTimeoutMs, onProgress })
  return [
    { where: 'cluster', findings: clusterFindings(facts, { replaceKubeProxy, knowsApiServers, values }) },
    ...outcomes.map(({ node, ok, output }): PreflightReport => ({ where: node, findings: ok ? findingsOf(output) : [failure('preflight', `it could not look at this node: ${output}`, 'see `kubectl describe node` and the runtime of that node')] })),
  ]
}

function findingsOf(output: string): readonly Finding[] {
  try {
    return JSON.parse(output) as readonly Finding[]
  } catch {
    return [failure('preflight', `it printed no findings: ${output.slice(0, 200)}`, 'is the image of the same version as this command?')]
  }
}

/** An image is mostly for one architecture: where nodes have several, somebody must have seen to it. */
function architectureFinding({ architectures }: ClusterFacts): Finding {
  const each = Object.entries(architectures)
  if (each.length < 2) return fine('architectures', each[0]?.[0] ?? 'not known')
  return warning('architectures', each.map(([architecture, names]) => `${architecture} (${names.join(', ')})`).join(' and '), 'load an image for its own architecture on each node (weft image build --platform), or name one for all of them with --image')
}

/** What the API alone tells. */
export function clusterFindings(facts: ClusterFacts, { replaceKubeProxy, knowsApiServers, values }: Pick<PreflightOptions, 'replaceKubeProxy' | 'knowsApiServers'> & { readonly values: Pick<Values, 'config'> }): readonly Finding[] {
  const [major = 0, minor = 0] = facts.version.replace(/^v/, '').split('.').map(Number)
  return [
    major > 1 || minor >= 30 ? fine('version', facts.version) : failure('version', `Kubernetes ${facts.version}`, 'Weft needs Kubernetes 1.30 or newer'),
    facts.nodes.length > 0 ? fine('nodes', String(facts.nodes.length)) : failure('nodes', 'there is none', 'join a node first: nothing can be tried without'),
    facts.networks.length === 0 ? fine('networks', 'no other') : failure('networks', `another network is installed: ${facts.networks.join(', ')}`, 'remove it, or make the cluster without one (kind: disableDefaultCNI); two networks give pods two addresses'),
    knowsApiServers ? fine('api-servers', facts.apiServers.join(', ') || 'as given') : failure('api-servers', 'default/kubernetes has no endpoints', 'name them in a file for --values: apiServers: [https://ADDRESS:PORT]'),
    ...rangeFindings(facts.ranges, values),
    architectureFinding(facts),
    !facts.kubeProxy ? fine('kube-proxy', 'none') : replaceKubeProxy ? fine('kube-proxy', 'is put to rest once Weft does its work') : warning('kube-proxy', 'it runs, and Weft does its work too', 'install with --replace-kube-proxy, or make the cluster without one (kind: kubeProxyMode: none)'),
  ]
}
