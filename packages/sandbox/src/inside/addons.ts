import { dnsPort } from '@weft/api'
import type { KubeClient } from '@weft/kube'
import { clusterRanges, ofFamilies, type Topology, withoutPrefix } from '../underlay/topology.ts'
import { type Manifest, readManifests } from './manifests.ts'

/** What `deploy/` applies to a real cluster: the same custom resources, rights and policies, and the DNS Service in front of the nodes' servers. */
export async function installAddons(kube: KubeClient, topology: Topology): Promise<void> {
  await Promise.all([installManifests(kube), installDns(kube, topology)])
}

async function installManifests(kube: KubeClient): Promise<void> {
  for (const manifest of await readManifests()) {
    const collection = collections[manifest.kind]
    if (collection === undefined) throw new TypeError(`Cannot apply ${manifest.kind} "${manifest.metadata.name}" of deploy/: kinds known here are ${Object.keys(collections).join(', ')}`)
    const { namespace } = manifest.metadata
    const base = manifest.apiVersion.includes('/') ? `/apis/${manifest.apiVersion}` : `/api/${manifest.apiVersion}`
    await apply(kube, `${base}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${collection}`, manifest)
  }
}

/** REST collections of the kinds in `deploy/`. */
const collections: Readonly<Record<string, string>> = {
  CustomResourceDefinition: 'customresourcedefinitions',
  ServiceAccount: 'serviceaccounts',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
}

/** The servers run on every node's own network, so their endpoints are the nodes. */
async function installDns(kube: KubeClient, { family, nodes }: Topology): Promise<void> {
  const clusterIps = ofFamilies(family, clusterRanges.dnsService)
  const ports = [{ name: 'dns', protocol: 'UDP', port: 53 }, { name: 'dns-tcp', protocol: 'TCP', port: 53 }]
  await apply(kube, '/api/v1/namespaces/kube-system/services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kube-dns', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } },
    spec: { clusterIP: clusterIps[0], clusterIPs: clusterIps, ipFamilyPolicy: clusterIps.length > 1 ? 'RequireDualStack' : 'SingleStack', ports: ports.map((port) => ({ ...port, targetPort: dnsPort })) },
  })
  const slices = [{ addressType: 'IPv4', isFamily: (ip: string) => !ip.includes(':') }, { addressType: 'IPv6', isFamily: (ip: string) => ip.includes(':') }]
  await Promise.all(slices.map(async ({ addressType, isFamily }) => {
    const endpoints = nodes.flatMap(({ name, addresses }) => addresses.map(withoutPrefix).filter(isFamily).map((ip) => ({ addresses: [ip], nodeName: name, conditions: { ready: true, serving: true, terminating: false } })))
    if (endpoints.length === 0) return
    await apply(kube, '/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices', {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `kube-dns-${addressType.toLowerCase()}`, namespace: 'kube-system', labels: { 'kubernetes.io/service-name': 'kube-dns' } },
      addressType,
      ports: ports.map(({ name, protocol }) => ({ name, protocol, port: dnsPort })),
      endpoints,
    })
  }))
}

/** By server-side apply: in a cluster that goes on, what is there already becomes what this version says. */
async function apply(kube: KubeClient, collection: string, object: Manifest): Promise<void> {
  await kube.request('PATCH', `${collection}/${object.metadata.name}`, { contentType: 'application/apply-patch+yaml', query: { fieldManager: 'weft-sandbox', force: true }, body: object })
}
