/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../json.ts'
import { failure, makeDefaultNamespace, startServer, type StartedServer } from '../testing/start-server.ts'

let started: StartedServer
beforeAll(async () => {
  started = await startServer()
  await makeDefaultNamespace(started.server.client)
})
afterAll(async () => started[Symbol.asyncDispose]())

const POLICIES = '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies'
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
const create = (path: string, body: JsonObject): Promise<KubeObject> => started.server.client.request<KubeObject>('POST', path, { body: { metadata: { name: 'x' }, ...body } })

test.each<[string, JsonObject, string]>([
  [POLICIES, { spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/33' } }] }] } }, 'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0/33"'],
  [POLICIES, { spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }] } }, 'except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`'],
  [POLICIES, { spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] }] } }, 'may not specify both ipBlock and another peer'],
  [POLICIES, { spec: { podSelector: {}, ingress: [{ from: [{}] }] } }, 'must specify a peer'],
  [POLICIES, { spec: { podSelector: {}, egress: [{ ports: [{ port: 80, endPort: 70 }] }] } }, 'spec.egress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`'],
  [POLICIES, { spec: { podSelector: {}, egress: [{ ports: [{ port: 'http', endPort: 70 }] }] } }, 'may not be specified when `port` is non-numeric'],
  [POLICIES, { spec: { podSelector: {}, ingress: [{ ports: [{ protocol: 'ICMP' }] }] } }, 'Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
  [POLICIES, { spec: { podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } } }, 'spec.podSelector.matchExpressions[0].values: Required value'],
  [SLICES, { addressType: 'IPv4', endpoints: [{ addresses: ['127.0.0.1'] }] }, 'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range'],
  [SLICES, { addressType: 'IPv6', endpoints: [{ addresses: ['10.0.0.1'] }] }, 'must be a valid IPv6 address'],
  [SLICES, { addressType: 'IPv4', endpoints: [{ addresses: [] }] }, 'must contain at least 1 address'],
  [SLICES, { addressType: 'IPv4', endpoints: [{ addresses: ['169.254.1.1'] }] }, 'link-local range'],
  [SLICES, { endpoints: [] }, 'addressType: Required value'],
  [SLICES, { addressType: 'IPv4', endpoints: [], ports: [{ name: 'a', port: 1 }, { name: 'a', port: 2 }] }, 'ports[1].name: Duplicate value: "a"'],
  ['/api/v1/namespaces/default/pods', { spec: { containers: [{ name: 'A', image: 'x', ports: [{ containerPort: 0 }] }] } }, 'spec.containers[0].name: Invalid value: "A"'],
  ['/api/v1/namespaces/default/pods', { spec: { containers: [{ name: 'a', image: 'x', ports: [{ containerPort: 80, name: 'too-long-for-a-port' }] }] } }, 'must be no more than 15 characters'],
  ['/apis/apps/v1/namespaces/default/deployments', { spec: { selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'c' } }, spec: { containers: [{ name: 'a', image: 'x' }] } } } }, '`selector` does not match template `labels`'],
  ['/api/v1/nodes', { spec: { podCIDRs: ['10.244.0.1/24'] } }, 'spec.podCIDRs[0]'],
  ['/apis/networking.k8s.io/v1/ipaddresses', { metadata: { name: '010.0.0.1' }, spec: { parentRef: { resource: 'services', name: 'a' } } }, 'must be a valid IP address'],
])('%s refuses %j', async (path, body, message) => {
  expect(await failure(create(path, body))).toMatchObject({ status: 422, reason: 'Invalid', message: expect.stringContaining(message) })
})

test('defaults are those of Kubernetes', async () => {
  const policy = await create(POLICIES, { spec: { podSelector: {}, egress: [{ ports: [{ port: 53 }] }] } })
  expect(policy['spec']).toEqual({ podSelector: {}, egress: [{ ports: [{ port: 53, protocol: 'TCP' }] }], policyTypes: ['Ingress', 'Egress'] })
  const pod = await create('/api/v1/namespaces/default/pods', { spec: { containers: [{ name: 'a', image: 'x:1', ports: [{ containerPort: 80 }] }] } })
  expect(pod['spec']).toMatchObject({ restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', terminationGracePeriodSeconds: 30, serviceAccountName: 'default', containers: [{ imagePullPolicy: 'IfNotPresent', ports: [{ protocol: 'TCP' }] }] })
  const changed = { ...pod, spec: { ...(pod['spec'] as JsonObject), hostname: 'other' } }
  expect(await failure(started.server.client.request('PUT', '/api/v1/namespaces/default/pods/x', { body: changed }))).toMatchObject({ status: 422, message: expect.stringContaining('pod updates may not change fields other than') })
  const secret = await create('/api/v1/namespaces/default/secrets', { stringData: { a: 'b' } })
  expect(secret).toMatchObject({ type: 'Opaque', data: { a: 'Yg==' } })
})
