import { isNotFound, type KubeClient } from '@weft/kube'
import type { JsonObject } from '../apiserver/json.ts'
import { bootstrapBindings, bootstrapRoles, type NamedObject } from './bootstrap-roles.ts'

/** What the cluster says about itself. */
export interface BootstrapOptions {
  /** Addresses on which pods reach the API server through the `kubernetes` Service; at most one per family. @default none */
  readonly apiServerAddresses?: readonly string[] | undefined
  /** Port of those addresses. @default 6443 */
  readonly apiServerPort?: number | undefined
  /** Ranges of Service addresses, for the ServiceCIDR object. */
  readonly serviceRanges: readonly string[]
  /** Addresses of the `kubernetes` Service: the first of each range. */
  readonly kubernetesAddresses: readonly string[]
}

const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

/** Makes what every cluster has from the start: namespaces, roles, the ServiceCIDR, the `kubernetes` Service and its slices. */
export async function bootstrap(client: KubeClient, options: BootstrapOptions): Promise<void> {
  for (const name of NAMESPACES) await createIfAbsent(client, '/api/v1/namespaces', { metadata: { name } })
  for (const role of bootstrapRoles) await createIfAbsent(client, `${RBAC}/clusterroles`, role)
  for (const binding of bootstrapBindings) await createIfAbsent(client, `${RBAC}/clusterrolebindings`, binding)
  await createIfAbsent(client, '/apis/networking.k8s.io/v1/servicecidrs', { metadata: { name: 'kubernetes' }, spec: { cidrs: [...options.serviceRanges] } })
  const [first] = options.kubernetesAddresses
  if (first === undefined) return
  await createIfAbsent(client, '/api/v1/namespaces/default/services', {
    metadata: { name: 'kubernetes', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      clusterIP: first, clusterIPs: [...options.kubernetesAddresses], ipFamilyPolicy: options.kubernetesAddresses.length > 1 ? 'RequireDualStack' : 'SingleStack',
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: options.apiServerPort ?? 6443 }], sessionAffinity: 'None', type: 'ClusterIP',
    },
  })
  for (const address of options.apiServerAddresses ?? []) await publish(client, address, options.apiServerPort ?? 6443)
}

async function publish(client: KubeClient, address: string, port: number): Promise<void> {
  const family = address.includes(':') ? 'IPv6' : 'IPv4'
  const name = family === 'IPv6' ? 'kubernetes-ipv6' : 'kubernetes'
  const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
  const slice: JsonObject = {
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: family,
    ports: [{ name: 'https', protocol: 'TCP', port }],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  }
  // The address may differ from the one of the last start.
  await client.request('PUT', `${path}/${name}`, { body: slice }).catch(async (error: unknown) => {
    if (!isNotFound(error)) throw error
    await client.request('POST', path, { body: slice })
  })
}

/** Looked for first: a Service that is there holds the address that a second one would ask for. */
async function createIfAbsent(client: KubeClient, path: string, body: NamedObject): Promise<void> {
  try {
    await client.request('GET', `${path}/${body.metadata.name}`)
  } catch (error) {
    if (!isNotFound(error)) throw error
    await client.request('POST', path, { body })
  }
}
