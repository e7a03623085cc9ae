import type { Cluster, ClusterDescriptor } from '@weft/checks'
import { runCommand } from '@weft/checks'

/** What kube-proxy and CoreDNS need to run as pods where nothing can be pulled. */
export interface ReferenceParts {
  /** The program on every machine. */
  readonly kubeProxy: string
  /** An image with `nft`, which kube-proxy calls. */
  readonly toolsImage: string
  readonly coreDnsImage: string
}

const namespace = 'kube-system'
/** CoreDNS is on the hosts' network here, where pods get none yet, and so beside our server. */
const coreDnsPort = 1053
const corefile = (zone: string): string => `.:${coreDnsPort} {
  errors
  ready :8181
  kubernetes ${zone} in-addr.arpa ip6.arpa
  cache 30
}
`

/** Undefined where a machine has not all of them. */
export async function findParts({ nodes }: ClusterDescriptor): Promise<ReferenceParts | undefined> {
  const script = 'readlink -f "$(command -v kube-proxy)"; ctr --namespace k8s.io images ls -q | grep /agnhost: | head -n 1; ctr --namespace k8s.io images ls -q | grep /coredns: | head -n 1'
  const found = await Promise.all(Object.values(nodes).map(async ({ exec }) => (await runCommand([...exec, 'sh', '-c', script], { timeoutMs: 20_000 })).stdout.trim()))
  const [kubeProxy, toolsImage, coreDnsImage] = found[0]?.split('\n') ?? []
  if (coreDnsImage === undefined || found.some((each) => each !== found[0])) return undefined
  return { kubeProxy: kubeProxy!, toolsImage: toolsImage!, coreDnsImage }
}

export interface ReferenceOptions {
  readonly parts: ReferenceParts
  /** Where the API server really is, e.g. `https://172.30.0.10:6443`: nobody else leads kube-proxy there. */
  readonly apiServer: string
  readonly dns: { readonly addresses: readonly string[], readonly zone: string }
}

/** kube-proxy in nftables mode and CoreDNS with its Service, as kubeadm has them: by the names, labels and objects that it gives them. */
export async function startReference({ kube }: Pick<Cluster, 'kube'>, { parts, apiServer, dns }: ReferenceOptions): Promise<void> {
  const { hostname, port } = new URL(apiServer)
  const everywhere = { hostNetwork: true, tolerations: [{ operator: 'Exists' }] }
  const account = (name: string, role: string): readonly Item[] => [
    [`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } }],
    [bindings, { metadata: { name: `reference-${name}` }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role }, subjects: [{ kind: 'ServiceAccount', name, namespace }] }],
  ]
  const workload = (name: string, label: string, spec: object): object => ({ selector: { matchLabels: { 'k8s-app': label } }, template: { metadata: { labels: { 'k8s-app': label } }, spec: { ...everywhere, serviceAccountName: name, ...spec } } })
  const items: readonly Item[] = [
    ...account('kube-proxy', 'system:node-proxier'),
    [daemonSets, {
      metadata: { name: 'kube-proxy' },
      spec: workload('kube-proxy', 'kube-proxy', {
        volumes: [{ name: 'program', hostPath: { path: parts.kubeProxy, type: 'File' } }],
        containers: [{
          name: 'kube-proxy', image: parts.toolsImage, imagePullPolicy: 'IfNotPresent', securityContext: { privileged: true },
          command: ['/usr/local/bin/kube-proxy', '--proxy-mode=nftables', '--hostname-override=$(NODE)', '--conntrack-max-per-core=0', '--conntrack-min=0'],
          env: [{ name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }, { name: 'KUBERNETES_SERVICE_HOST', value: hostname.replace(/[[\]]/g, '') }, { name: 'KUBERNETES_SERVICE_PORT', value: port }],
          volumeMounts: [{ name: 'program', mountPath: '/usr/local/bin/kube-proxy' }],
          readinessProbe: { httpGet: { path: '/healthz', port: 10256 }, periodSeconds: 1 },
        }],
      }),
    }],
    [roles, { metadata: { name: 'reference-coredns' }, rules: [{ apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: ['list', 'watch'] }, { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] }] }],
    ...account('coredns', 'reference-coredns'),
    [`/api/v1/namespaces/${namespace}/configmaps`, { metadata: { name: 'coredns' }, data: { Corefile: corefile(dns.zone) } }],
    [deployments, {
      metadata: { name: 'coredns' },
      spec: {
        replicas: 2,
        ...workload('coredns', 'kube-dns', {
          dnsPolicy: 'Default',
          volumes: [{ name: 'config', configMap: { name: 'coredns' } }],
          containers: [{
            name: 'coredns', image: parts.coreDnsImage, imagePullPolicy: 'IfNotPresent', args: ['-conf', '/etc/coredns/Corefile'],
            env: [{ name: 'KUBERNETES_SERVICE_HOST', value: hostname.replace(/[[\]]/g, '') }, { name: 'KUBERNETES_SERVICE_PORT', value: port }],
            // Two are not put on one machine.
            ports: [{ name: 'dns', containerPort: coreDnsPort, protocol: 'UDP' }, { name: 'dns-tcp', containerPort: coreDnsPort }],
            volumeMounts: [{ name: 'config', mountPath: '/etc/coredns' }],
            readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
          }],
        }),
      },
    }],
    [`/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'kube-dns', labels: { 'k8s-app': 'kube-dns' } },
      spec: { clusterIPs: dns.addresses, clusterIP: dns.addresses[0], ipFamilyPolicy: 'PreferDualStack', selector: { 'k8s-app': 'kube-dns' }, ports: [{ name: 'dns', port: 53, targetPort: coreDnsPort, protocol: 'UDP' }, { name: 'dns-tcp', port: 53, targetPort: coreDnsPort }] },
    }],
  ]
  for (const [path, body] of items) await kube.request('POST', path, { body })
}

type Item = readonly [path: string, body: object]

const bindings = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings'
const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles'
const daemonSets = `/apis/apps/v1/namespaces/${namespace}/daemonsets`
const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`

/** Everything that {@link startReference} makes. */
export const referencePaths: readonly string[] = [
  `${daemonSets}/kube-proxy`, `${deployments}/coredns`, `/api/v1/namespaces/${namespace}/services/kube-dns`, `/api/v1/namespaces/${namespace}/configmaps/coredns`,
  ...['kube-proxy', 'coredns'].flatMap((name) => [`/api/v1/namespaces/${namespace}/serviceaccounts/${name}`, `${bindings}/reference-${name}`]), `${roles}/reference-coredns`,
]
