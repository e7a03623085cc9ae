import { adminClient, agentCalls, dnsPort, endpointSliceResource } from '@weft/api'
import { agentContainer, findPods, podDoor } from '@weft/checks'
import type { Clock } from '@weft/daemon'
import { getObject, isNotFound, type KubeConnection, listObjects, patchObject } from '@weft/kube'
import { InstallError } from './errors.ts'

const kubeProxyPath = '/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy'
const coreDnsPath = '/apis/apps/v1/namespaces/kube-system/deployments/coredns'
const servicePath = '/api/v1/namespaces/kube-system/services/kube-dns'

/** What the object was like before, so that it can be given back. */
const annotation = 'weft.dev/before'
/** No node has it: pods of a DaemonSet that asks for it run nowhere. */
export const nowhere: Readonly<Record<string, string>> = { 'weft.dev/replaced': 'true' }

type Labels = Readonly<Record<string, string>>

interface Workload {
  readonly metadata: { readonly annotations?: Labels }
  readonly spec: { readonly replicas?: number, readonly selector?: Labels & { readonly matchLabels?: Labels }, readonly ports?: readonly object[], readonly template?: { readonly spec: { readonly nodeSelector?: Labels } } }
}

export interface TakeOverOptions {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly timeoutMs: number
  /** Removes what kube-proxy left in the kernels of all nodes. @default every agent is told to */
  readonly removeProxyRules?: ((kube: KubeConnection, signal: AbortSignal) => Promise<void>) | undefined
}

const pollMs = 300

/**
 * Puts kube-proxy and CoreDNS to rest, once Weft does their work, and removes the rules that kube-proxy leaves behind: they would go on
 * sending packets to endpoints of today. Nothing else is deleted: their own settings stay for the day they are wanted back.
 *
 * @returns What was put to rest.
 * @throws {InstallError} `ERR_INSTALL_TIMEOUT` when kube-proxy does not end.
 */
export async function takeOver(kube: KubeConnection, options: TakeOverOptions): Promise<readonly string[]> {
  const { signal, removeProxyRules = everyAgentRemoves } = options
  const done: string[] = []
  const proxy = await find(kube, kubeProxyPath, signal)
  if (proxy !== undefined) {
    if (proxy.metadata.annotations?.[annotation] === undefined) {
      await patchObject(kube, kubeProxyPath, {
        metadata: { annotations: { [annotation]: JSON.stringify(proxy.spec.template?.spec.nodeSelector ?? {}) } },
        spec: { template: { spec: { nodeSelector: nowhere } } },
      }, { type: 'merge', signal })
      done.push('kube-proxy')
    }
    await untilEnded(kube, labelsText(proxy.spec.selector?.matchLabels ?? { 'k8s-app': 'kube-proxy' }), options)
    await removeProxyRules(kube, signal)
  }
  const dns = await find(kube, coreDnsPath, signal)
  if (dns !== undefined && dns.metadata.annotations?.[annotation] === undefined) {
    await patchObject(kube, coreDnsPath, { metadata: { annotations: { [annotation]: String(dns.spec.replicas ?? 1) } }, spec: { replicas: 0 } }, { type: 'merge', signal })
    done.push('CoreDNS')
  }
  return done
}

async function everyAgentRemoves(kube: KubeConnection, signal: AbortSignal): Promise<void> {
  for (const pod of await findPods(kube, { namespace: 'kube-system', labels: agentContainer.labels })) await adminClient(agentCalls, podDoor(kube, pod, agentContainer)).takeOverProxy({}, { signal })
}

async function untilEnded(kube: KubeConnection, labelSelector: string, { signal, clock, timeoutMs }: TakeOverOptions): Promise<void> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    const { items } = await listObjects(kube, '/api/v1/namespaces/kube-system/pods', { labelSelector, signal })
    if (items.length === 0) return
    if (clock.now() > deadline) throw new InstallError('ERR_INSTALL_TIMEOUT', `Cannot replace kube-proxy: ${items.length} pods of it are still there after ${timeoutMs / 1000} s; both work, side by side. Run the same command again`)
    await clock.sleep(pollMs, { signal })
  }
}

/**
 * Remembers whom the Service of DNS chose, and on which ports, before it becomes ours.
 *
 * @returns Whether somebody else answers behind it: it must not become ours before our servers answer.
 */
export async function rememberDnsService(kube: KubeConnection, { signal }: { readonly signal: AbortSignal }): Promise<boolean> {
  const service = await find(kube, servicePath, signal)
  if (service?.spec.selector === undefined || service.spec.selector['app.kubernetes.io/name'] === 'weft') return false
  if (service.metadata.annotations?.[annotation] === undefined) await patchObject(kube, servicePath, { metadata: { annotations: { [annotation]: JSON.stringify({ selector: service.spec.selector, ports: service.spec.ports }) } } }, { type: 'merge', signal })
  return true
}

/**
 * Waits until the Service of DNS leads to our servers.
 *
 * @throws {InstallError} `ERR_INSTALL_TIMEOUT` when it does not.
 */
export async function untilDnsIsOurs(kube: KubeConnection, { signal, clock, timeoutMs }: Pick<TakeOverOptions, 'signal' | 'clock' | 'timeoutMs'>): Promise<void> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    const { items } = await listObjects(kube, '/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices', { labelSelector: 'kubernetes.io/service-name=kube-dns', signal })
    const slices = items.map(endpointSliceResource.trim)
    if (slices.some(({ ports, endpoints }) => ports.some(({ port }) => port === dnsPort) && endpoints.some(({ ready }) => ready))) return
    if (clock.now() > deadline) throw new InstallError('ERR_INSTALL_TIMEOUT', `Cannot take DNS over: the Service kube-dns has no endpoint of ours after ${timeoutMs / 1000} s; \`kubectl -n kube-system get endpointslices\` shows whom it has`)
    await clock.sleep(pollMs, { signal })
  }
}

/**
 * Gives kube-proxy and CoreDNS their work back.
 *
 * @returns What was given back; the Service of DNS is among it when it was somebody's before.
 */
export async function giveBack(kube: KubeConnection, { signal }: { readonly signal: AbortSignal }): Promise<readonly string[]> {
  const done: string[] = []
  const each = async (path: string, name: string, patchOf: (before: string) => object): Promise<void> => {
    const object = await find(kube, path, signal)
    const before = object?.metadata.annotations?.[annotation]
    if (before === undefined) return
    await patchObject(kube, path, [
      { op: 'remove', path: `/metadata/annotations/${annotation.replace('/', '~1')}` },
      ...Object.entries(patchOf(before)).map(([field, value]: [string, unknown]) => ({ op: 'add', path: field, value })),
    ], { type: 'json', signal })
    done.push(name)
  }
  await each(kubeProxyPath, 'kube-proxy', (before) => ({ '/spec/template/spec/nodeSelector': JSON.parse(before) as unknown }))
  await each(coreDnsPath, 'CoreDNS', (before) => ({ '/spec/replicas': Number(before) }))
  await each(servicePath, 'Service kube-dns', (before) => {
    const { selector, ports } = JSON.parse(before) as Workload['spec']
    return { '/spec/selector': selector, '/spec/ports': ports }
  })
  return done
}

/** As of `kubectl -l`. */
function labelsText(labels: Labels): string {
  return Object.entries(labels).map((label) => label.join('=')).join(',')
}

async function find(kube: KubeConnection, path: string, signal: AbortSignal): Promise<Workload | undefined> {
  try {
    return await getObject<Workload>(kube, path, { signal })
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}
