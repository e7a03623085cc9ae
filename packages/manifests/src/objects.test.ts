import { describe, expect, test } from 'vitest'
import type { KubeObject } from './kube-object.ts'
import { manifests } from './objects.ts'
import { valuesSchema } from './values.ts'

interface Container {
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly env: readonly { readonly name: string }[]
  readonly resources: { readonly requests: object }
  readonly securityContext: { readonly capabilities: { readonly drop: readonly string[], readonly add?: readonly string[] }, readonly runAsNonRoot?: boolean, readonly privileged?: boolean }
  readonly livenessProbe?: { readonly httpGet: object }
  readonly readinessProbe?: { readonly httpGet: object }
  readonly volumeMounts: readonly { readonly name: string, readonly mountPath: string, readonly readOnly?: boolean, readonly mountPropagation?: string }[]
}

interface PodSpec {
  readonly hostNetwork: boolean
  readonly dnsPolicy: string
  readonly priorityClassName: string
  readonly tolerations: readonly { readonly key?: string, readonly operator: string, readonly effect?: string }[]
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
  readonly securityContext: object
}

type Workload = KubeObject & { readonly spec: { readonly replicas?: number, readonly updateStrategy?: object, readonly template: { readonly metadata: { readonly labels: Readonly<Record<string, string>>, readonly annotations: Readonly<Record<string, string>> }, readonly spec: PodSpec } } }

const rendered = (values: object = {}): readonly KubeObject[] => manifests(valuesSchema.parse(values))

function find(kind: string, name: string, values: object = {}): KubeObject {
  return rendered(values).find((object) => object.kind === kind && object.metadata.name === name)!
}

const daemonSet = (values: object = {}): Workload => find('DaemonSet', 'weft-agent', values) as Workload
const deployment = (): Workload => find('Deployment', 'weft-controller') as Workload
const configFiles = (values: object): Readonly<Record<string, string>> => (find('ConfigMap', 'weft', values) as KubeObject & { data: Record<string, string> }).data
const podOf = (workload: Workload): PodSpec => workload.spec.template.spec
const agent = podOf(daemonSet())
const controller = podOf(deployment())
const containers = [...agent.initContainers!, ...agent.containers, ...controller.containers]
const container = (name: string): Container => containers.find((each) => each.name === name)!

describe('manifests()', () => {
  test('a definition in a group of Kubernetes keeps its approval: the API server refuses it otherwise', () => {
    expect(find('CustomResourceDefinition', 'clusternetworkpolicies.policy.networking.k8s.io').metadata.annotations).toMatchObject({
      'api-approved.kubernetes.io': expect.stringMatching(/^https:/), 'helm.sh/resource-policy': 'keep',
    })
  })

  test('D2 every container drops all capabilities, cannot gain any, and has a read-only root', () => {
    for (const { securityContext } of containers) {
      expect(securityContext).toMatchObject({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
      expect(securityContext.privileged).toBeUndefined()
    }
    expect(Object.fromEntries(containers.map(({ name, securityContext }) => [name, securityContext.capabilities.add ?? []]))).toEqual({ install: ['NET_ADMIN'], agent: ['NET_ADMIN', 'NET_RAW'], dns: [], controller: [] })
    for (const name of ['dns', 'controller']) expect(container(name).securityContext.runAsNonRoot, name).toBe(true)
    for (const pod of [agent, controller]) expect(pod.securityContext).toEqual({ seccompProfile: { type: 'RuntimeDefault' } })
  })

  test('D2 only the init container sees the programs of the node; namespaces mounted later appear, and cannot be written', () => {
    expect(containers.filter(({ volumeMounts }) => volumeMounts.some(({ name }) => name === 'cni-bin')).map(({ name }) => name)).toEqual(['install'])
    expect(container('agent').volumeMounts).toContainEqual({ name: 'netns', mountPath: '/run/netns', mountPropagation: 'HostToContainer', readOnly: true })
    expect(container('dns').volumeMounts.map(({ mountPath }) => mountPath)).toEqual(['/etc/weft', '/run/weft'])
  })

  test('LIFE-2, D3: the agent tolerates every taint, is on the host network, critical to the node, and is told real addresses of the API server', () => {
    expect(agent).toMatchObject({ hostNetwork: true, dnsPolicy: 'Default', priorityClassName: 'system-node-critical', tolerations: [{ operator: 'Exists' }] })
    const files = configFiles({ apiServers: ['https://192.0.2.10:6443'] })
    for (const file of ['agent.yaml', 'dns.yaml', 'controller.yaml']) expect(files[file]).toContain('    - https://192.0.2.10:6443\n')
  })

  test('D3 the controller does not wait for the network that it configures', () => {
    expect(controller).toMatchObject({ hostNetwork: true, dnsPolicy: 'Default' })
    const tolerated = controller.tolerations.filter(({ effect }) => effect === 'NoSchedule').map(({ key }) => key)
    expect(tolerated).toEqual(expect.arrayContaining(['node.kubernetes.io/not-ready', 'node.kubernetes.io/network-unavailable', 'node-role.kubernetes.io/control-plane', 'node.cloudprovider.kubernetes.io/uninitialized']))
  })

  test('LIFE-3: nodes are upgraded a share at a time, the old agent going first; one controller may be away', () => {
    expect(daemonSet().spec.updateStrategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%', maxSurge: 0 } })
    expect(find('PodDisruptionBudget', 'weft-controller')['spec']).toMatchObject({ maxUnavailable: 1, selector: { matchLabels: { 'app.kubernetes.io/component': 'controller' } } })
  })

  test('every long-running container has probes and asks for what it was measured to need', () => {
    for (const each of [...agent.containers, ...controller.containers]) {
      expect(each.livenessProbe?.httpGet, each.name).toMatchObject({ path: '/healthz', host: '127.0.0.1' })
      expect(each.readinessProbe?.httpGet, each.name).toMatchObject({ path: '/readyz', host: '127.0.0.1' })
      expect(Object.keys(each.resources.requests), each.name).toEqual(['cpu', 'memory'])
    }
  })

  test('probes ask the address that answers: a wildcard is none', () => {
    const hosts = (listen: string): unknown[] => podOf(daemonSet({ monitoring: { listen } })).containers.map(({ livenessProbe }) => (livenessProbe!.httpGet as { host: string }).host)
    expect([hosts('[::]'), hosts('0.0.0.0'), hosts('[fd00::1]'), hosts('192.0.2.1')]).toEqual([['127.0.0.1', '127.0.0.1'], ['127.0.0.1', '127.0.0.1'], ['fd00::1', 'fd00::1'], ['192.0.2.1', '192.0.2.1']])
  })

  test('the Service of the cluster DNS selects the pods of the agent, by the label that policies use too', () => {
    const { spec } = find('Service', 'kube-dns', { dns: { addresses: ['10.96.0.10', 'fd00:10:96::a'] } }) as KubeObject & { spec: { selector: Record<string, string> } }
    expect(spec).toMatchObject({ clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10', 'fd00:10:96::a'], selector: { 'k8s-app': 'kube-dns' } })
    expect(daemonSet().spec.template.metadata.labels).toMatchObject(spec.selector)
    expect(deployment().spec.template.metadata.labels).not.toMatchObject(spec.selector)
  })

  test('D4 pods start anew when their configuration changes, and only then', () => {
    const hash = (values: object): string | undefined => daemonSet(values).spec.template.metadata.annotations['weft.dev/config']
    expect(hash({ config: { agent: { logLevel: 'debug' } } })).not.toBe(hash({}))
    expect(hash({ rollout: { maxUnavailable: 3 } })).toBe(hash({}))
    expect(hash({ config: { agent: { logLevel: 'debug', cni: { mtu: 1400 } } } })).toBe(hash({ config: { agent: { cni: { mtu: 1400 }, logLevel: 'debug' } } }))
  })

  test('what is asked for is merged over what is given, lists whole', () => {
    const files = configFiles({ config: { agent: { kube: { servers: ['https://192.0.2.20:6443'] }, install: { binDir: '/x' } } } })
    expect(files['agent.yaml']).toBe('kube:\n  servers:\n    - https://192.0.2.20:6443\nhealth: 127.0.0.1:9154\nsysctlFolder: /host/proc/sys\ninstall:\n  confDir: /host/etc/cni/net.d\n  binDir: /x\n')
  })

  test('monitoring is an option', () => {
    const kinds = (values: object): string[] => rendered(values).map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    const [without, withAll] = [kinds({}), kinds({ monitoring: { serviceMonitor: true, dashboard: true } })]
    expect(withAll.filter((each) => !without.includes(each))).toEqual(['Service/weft-agent-metrics', 'Service/weft-controller-metrics', 'ServiceMonitor/weft', 'ConfigMap/weft-dashboard'])
  })

  test('unknown values are refused, with their path', () => {
    expect(() => valuesSchema.parse({ dns: { adresses: [] } })).toThrow('adresses')
  })
})
