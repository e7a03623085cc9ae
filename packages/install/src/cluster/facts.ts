import { endpointSliceResource, ipPoolResource, type NodeName, nodeResource } from '@weft/api'
import { formatIp } from '@weft/ip'
import { getObject, isForbidden, isNotFound, type KubeConnection, listObjects } from '@weft/kube'
import type { ClusterRanges } from './ranges.ts'

/** What a cluster is, before anything is changed. */
export interface ClusterFacts {
  readonly version: string
  /** `kind`, `k3s`, `kubeadm`, a cloud's name, or `kubernetes`. */
  readonly distribution: string
  readonly nodes: readonly NodeName[]
  /** Families of what pods get, IPv4 first. */
  readonly families: readonly (4 | 6)[]
  /** Whether every node has ranges for its pods; else Weft gives addresses out of pools. */
  readonly hasPodCidrs: boolean
  readonly serviceCidrs: readonly string[]
  readonly ranges: ClusterRanges
  /** Names of nodes by the architecture of their processors, as Go names it. */
  readonly architectures: Readonly<Record<string, readonly string[]>>
  /** Real addresses of the API server. */
  readonly apiServers: readonly string[]
  /** As kubelets tell their pods. */
  readonly dns: { readonly addresses: readonly string[], readonly zone: string }
  /** Names of other networks' DaemonSets. */
  readonly networks: readonly string[]
  readonly kubeProxy: boolean
  readonly coreDns: boolean
}

interface Named {
  readonly metadata: { readonly name: string, readonly namespace?: string }
}

interface NodeText extends Named {
  readonly spec: { readonly providerID?: string }
  readonly status: { readonly nodeInfo: { readonly kubeletVersion: string, readonly architecture?: string } }
}

/** DaemonSets of networks that would not leave room for another. */
const otherNetworks: ReadonlySet<string> = new Set(['calico-node', 'canal', 'cilium', 'kube-flannel-ds', 'kube-flannel', 'weave-net', 'antrea-agent', 'kindnet', 'kube-router', 'aws-node', 'azure-cni', 'ovnkube-node', 'kube-ovn-cni'])

/** Finds out about a cluster through its API. */
export async function readFacts(kube: KubeConnection): Promise<ClusterFacts> {
  const [version, nodes, slices, daemonSets, deployments, serviceCidrs, pools, kubeadm] = await Promise.all([
    getObject<{ readonly gitVersion: string }>(kube, '/version'),
    listObjects(kube, nodeResource.path),
    listObjects(kube, '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', { labelSelector: 'kubernetes.io/service-name=kubernetes' }),
    listObjects(kube, '/apis/apps/v1/daemonsets'),
    listObjects(kube, '/apis/apps/v1/namespaces/kube-system/deployments'),
    serviceCidrsOf(kube),
    poolsOf(kube),
    exists(kube, '/api/v1/namespaces/kube-system/configmaps/kubeadm-config'),
  ])
  const names = (list: { readonly items: readonly unknown[] }): readonly string[] => (list.items as readonly Named[]).map(({ metadata }) => metadata.name)
  const trimmed = nodes.items.map(nodeResource.trim)
  const cidrs = trimmed.flatMap(({ podCidrs }) => podCidrs)
  const hasPodCidrs = trimmed.length > 0 && trimmed.every(({ podCidrs }) => podCidrs.length > 0)
  return {
    version: version.gitVersion,
    distribution: distributionOf(nodes.items as readonly NodeText[], kubeadm),
    nodes: trimmed.map(({ name }) => name).toSorted(),
    families: ([4, 6] as const).filter((family) => (hasPodCidrs ? cidrs : trimmed.flatMap(({ internalIps }) => internalIps)).some((each) => each.family === family)),
    hasPodCidrs,
    serviceCidrs,
    ranges: { nodes: trimmed, services: serviceCidrs, pools },
    architectures: architecturesOf(nodes.items as readonly NodeText[]),
    apiServers: slices.items.map(endpointSliceResource.trim).flatMap(({ endpoints, ports }) => endpoints.flatMap(({ ip }) => (ip === undefined ? [] : ports.map(({ port }) => `https://${ip.family === 6 ? `[${formatIp(ip)}]` : formatIp(ip)}:${port}`)))),
    dns: await kubeletDns(kube, trimmed[0]?.name),
    networks: names(daemonSets).filter((name) => otherNetworks.has(name)),
    kubeProxy: names(daemonSets).includes('kube-proxy'),
    coreDns: names(deployments).includes('coredns'),
  }
}

function architecturesOf(nodes: readonly NodeText[]): Readonly<Record<string, readonly string[]>> {
  const names: Record<string, string[]> = {}
  for (const { metadata: { name }, status: { nodeInfo: { architecture } } } of nodes) if (architecture !== undefined) (names[architecture] ??= []).push(name)
  return names
}

function distributionOf([first]: readonly NodeText[], kubeadm: boolean): string {
  const provider = first?.spec.providerID?.split(':')[0] ?? ''
  const kubelet = first?.status.nodeInfo.kubeletVersion ?? ''
  if (provider === 'kind') return 'kind'
  const suffix = /\+(k3s|rke2|k0s)/.exec(kubelet)?.[1] ?? /-(eks|gke)/.exec(kubelet)?.[1]
  if (suffix !== undefined) return suffix
  if (provider !== '' && provider !== 'k3s') return provider
  return kubeadm ? 'kubeadm' : 'kubernetes'
}

/** Kubernetes 1.33 and later know their ranges; earlier ones keep them to themselves, and the proxy does without. */
async function serviceCidrsOf(kube: KubeConnection): Promise<readonly string[]> {
  try {
    const { items } = await listObjects(kube, '/apis/networking.k8s.io/v1/servicecidrs')
    return (items as readonly { readonly spec: { readonly cidrs: readonly string[] } }[]).flatMap(({ spec }) => spec.cidrs)
  } catch (error) {
    if (isNotFound(error) || isForbidden(error)) return []
    throw error
  }
}

/** Those of an installation before this one; a pool that cannot be read is told by whoever takes blocks from it. */
async function poolsOf(kube: KubeConnection): Promise<ClusterRanges['pools']> {
  const { items } = await listObjects(kube, ipPoolResource.path).catch(() => ({ items: [] }))
  return items.flatMap((item) => {
    try {
      return [ipPoolResource.trim(item)]
    } catch {
      return []
    }
  })
}

/** What a kubelet tells its pods; where it may not be asked, what nearly every cluster has. A Service that is there keeps its addresses. */
async function kubeletDns(kube: KubeConnection, node: NodeName | undefined): Promise<ClusterFacts['dns']> {
  const service = await getObject<{ readonly spec: { readonly clusterIPs: readonly string[] } }>(kube, '/api/v1/namespaces/kube-system/services/kube-dns').catch(() => undefined)
  const usual = { addresses: service?.spec.clusterIPs ?? ['10.96.0.10'], zone: 'cluster.local' }
  if (node === undefined) return usual
  try {
    const { kubeletconfig } = await getObject<{ readonly kubeletconfig: { readonly clusterDNS?: readonly string[], readonly clusterDomain?: string } }>(kube, `/api/v1/nodes/${node}/proxy/configz`)
    return { addresses: service?.spec.clusterIPs ?? kubeletconfig.clusterDNS ?? usual.addresses, zone: kubeletconfig.clusterDomain ?? usual.zone }
  } catch {
    return usual
  }
}

async function exists(kube: KubeConnection, path: string): Promise<boolean> {
  return await getObject(kube, path).then(() => true, () => false)
}
