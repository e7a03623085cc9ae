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
 * Remembers whom the Service of DNS chose, and on which ports, before it becomes ours; and lets it choose those who answer now by all of
 * their labels: ours carry the one that everybody knows DNS by, and must not be asked on ports of others.
 *
 * @returns Whether somebody else answers behind it: it must not become ours before our servers answer.
 */
export async function rememberDnsService(kube: KubeConnection, { signal }: { readonly signal: AbortSignal }): Promise<boolean> {
  const service = await find(kube, servicePath, signal)
  if (service?.spec.selector === undefined || isOurs(service.spec.selector)) return false
  const before = service.metadata.annotations?.[annotation] ?? JSON.stringify({ selector: service.spec.selector, ports: service.spec.ports })
  const selector = await exactLabels(kube, (JSON.parse(before) as DnsBefore).selector, signal)
  await patchObject(kube, servicePath, { metadata: { annotations: { [annotation]: before } }, ...(selector === undefined ? {} : { spec: { selector } }) }, { type: 'merge', signal })
  return selector !== undefined
}

interface DnsBefore {
  readonly selector: Labels
  readonly ports: readonly object[]
}

function isOurs(labels: Labels): boolean {
  return labels['app.kubernetes.io/name'] === 'weft'
}

/** Labels that all pods of a selector have and ours have not; undefined when there are none. */
async function exactLabels(kube: KubeConnection, selector: Labels, signal: AbortSignal): Promise<Labels | undefined> {
  const { items } = await listObjects(kube, '/api/v1/namespaces/kube-system/pods', { labelSelector: labelsText(selector), signal })
  const [first, ...others] = (items as readonly { readonly metadata: { readonly labels: Labels } }[]).map(({ metadata }) => metadata.labels).filter((labels) => !isOurs(labels))
  const common = Object.entries(first ?? {}).filter(([key, value]) => others.every((labels) => labels[key] === value))
  return common.length > Object.keys(selector).length ? Object.fromEntries(common) : undefined
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
 * Gives kube-proxy and CoreDNS their work back, and waits until they do it: nobody else will in a moment. The Service of DNS comes
 * last, when somebody stands behind it; `releaseDnsService` ends that when our servers have.
 *
 * @returns What was given back; the Service of DNS is among it when it was somebody's before.
 * @throws {InstallError} `ERR_INSTALL_TIMEOUT` when one of them does not start; run again, that one is not waited for.
 */
export async function giveBack(kube: KubeConnection, options: Pick<TakeOverOptions, 'signal' | 'clock' | 'timeoutMs'>): Promise<readonly string[]> {
  const { signal } = options
  const done: string[] = []
  const each = async (path: string, name: string, patchOf: (before: string) => Readonly<Record<string, unknown>>): Promise<boolean> => {
    const isDone = await restore(kube, path, patchOf, signal)
    if (isDone) done.push(name)
    return isDone
  }
  if (await each(kubeProxyPath, 'kube-proxy', (before) => ({ '/spec/template/spec/nodeSelector': JSON.parse(before) as unknown }))) {
    await untilWorking(kube, kubeProxyPath, options, ({ numberReady = 0, desiredNumberScheduled = 0 }) => numberReady > 0 && numberReady >= desiredNumberScheduled)
  }
  if (await each(coreDnsPath, 'CoreDNS', (before) => ({ '/spec/replicas': Number(before) }))) {
    await untilWorking(kube, coreDnsPath, options, ({ availableReplicas = 0 }) => availableReplicas > 0)
  }
  const before = (await find(kube, servicePath, signal))?.metadata.annotations?.[annotation]
  if (before === undefined) return done
  const { selector, ports } = JSON.parse(before) as DnsBefore
  const exact = await exactLabels(kube, selector, signal)
  if (exact !== undefined) await patchObject(kube, servicePath, [{ op: 'add', path: '/spec/selector', value: exact }, { op: 'add', path: '/spec/ports', value: ports }], { type: 'json', signal })
  return [...done, 'Service kube-dns']
}

/** The Service of DNS chooses as it did before us. */
export async function releaseDnsService(kube: KubeConnection, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  await restore(kube, servicePath, (before) => {
    const { selector, ports } = JSON.parse(before) as DnsBefore
    return { '/spec/selector': selector, '/spec/ports': ports }
  }, signal)
}

/** @returns False when there is nothing to give back. */
async function restore(kube: KubeConnection, path: string, patchOf: (before: string) => Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<boolean> {
  const before = (await find(kube, path, signal))?.metadata.annotations?.[annotation]
  if (before === undefined) return false
  await patchObject(kube, path, [
    { op: 'remove', path: `/metadata/annotations/${annotation.replace('/', '~1')}` },
    ...Object.entries(patchOf(before)).map(([field, value]) => ({ op: 'add', path: field, value })),
  ], { type: 'json', signal })
  return true
}

interface WorkloadStatus {
  readonly observedGeneration?: number
  readonly numberReady?: number
  readonly desiredNumberScheduled?: number
  readonly availableReplicas?: number
}

async function untilWorking(kube: KubeConnection, path: string, { signal, clock, timeoutMs }: Pick<TakeOverOptions, 'signal' | 'clock' | 'timeoutMs'>, works: (status: WorkloadStatus) => boolean): Promise<void> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    const { metadata, status = {} } = await getObject<{ readonly metadata: { readonly generation?: number }, readonly status?: WorkloadStatus }>(kube, path, { signal })
    if ((status.observedGeneration ?? 0) >= (metadata.generation ?? 0) && works(status)) return
    if (clock.now() > deadline) throw new InstallError('ERR_INSTALL_TIMEOUT', `Cannot give back "${path}": its pods are not Ready after ${timeoutMs / 1000} s; mend them, or run the same command again to go on without`)
    await clock.sleep(pollMs, { signal })
  }
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
