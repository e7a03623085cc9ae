import type { Cluster } from './cluster.ts'

/** Any Kubernetes object on its way to the API server. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string, readonly namespace?: string, readonly labels?: Readonly<Record<string, string>> }
  readonly [field: string]: unknown
}

export const demoNamespace = 'demo'
/** Where policies are tried: the demo's own traffic stays untouched by them. */
export const policyNamespace = 'demo-policy'

export const ports = { http: 8080, udp: 8081, side: 8090, node: 18080 } as const

/**
 * The demo application, which is also what the proofs talk to: `web` with one replica a node behind several Services,
 * `client` with two containers on the first node, and `host`, which listens on each node's own address.
 */
export function demoManifests(cluster: Cluster): readonly Manifest[] {
  const { probe, nodes, families } = cluster
  const first = nodes[0]!.name
  const last = nodes.at(-1)!.name
  const familyPolicy = families.length > 1 ? 'RequireDualStack' : 'SingleStack'

  const namespace = (name: string): Manifest => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  const netexec = (http: number, udp: number) => ({
    name: 'web',
    image: probe.image,
    command: probe.command,
    args: ['netexec', `--http-port=${http}`, `--udp-port=${udp}`],
    ports: [{ name: 'http', containerPort: http }, { name: 'echo', containerPort: udp, protocol: 'UDP' }],
    readinessProbe: { httpGet: { path: '/healthz', port: http }, periodSeconds: 1 },
  })
  const pod = (name: string, namespace: string, labels: Record<string, string>, spec: object): Manifest =>
    ({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels }, spec: { terminationGracePeriodSeconds: 1, ...spec } })
  // Control planes are nodes as well, whatever keeps other pods away from them.
  const everywhere = (name: string, spec: object): Manifest => ({
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace: demoNamespace },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { terminationGracePeriodSeconds: 1, tolerations: [{ operator: 'Exists' }], ...spec } },
    },
  })
  const service = (name: string, selector: Record<string, string>, spec: object = {}): Manifest => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: demoNamespace },
    spec: {
      ipFamilyPolicy: familyPolicy,
      selector,
      ports: [
        { name: 'http', port: 80, targetPort: 'http' },
        { name: 'echo', port: 90, targetPort: 'echo', protocol: 'UDP' },
      ],
      ...spec,
    },
  })

  return [
    namespace(demoNamespace),
    namespace(policyNamespace),
    // A pod that is deleted comes back where it was.
    everywhere('web', { containers: [netexec(ports.http, ports.udp)] }),
    everywhere('host', { hostNetwork: true, containers: [{ ...netexec(ports.node, ports.node), ports: [] }] }),
    pod('client', demoNamespace, { app: 'client' }, { nodeName: first, containers: [netexec(ports.http, ports.udp), { ...netexec(ports.side, ports.side), name: 'side', ports: [] }] }),
    pod('guarded', policyNamespace, { app: 'guarded' }, { nodeName: last, containers: [netexec(ports.http, ports.udp)] }),
    pod('visitor', policyNamespace, { app: 'visitor' }, { nodeName: first, containers: [netexec(ports.http, ports.udp)] }),
    service('web', { app: 'web' }, { type: 'NodePort' }),
    service('web-headless', { app: 'web' }, { clusterIP: 'None' }),
    service('client', { app: 'client' }),
    service('nobody', { app: 'nobody' }),
  ]
}
