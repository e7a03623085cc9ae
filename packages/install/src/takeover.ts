import { getObject, isNotFound, type KubeConnection, patchObject } from '@weft/kube'

const kubeProxyPath = '/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy'
const coreDnsPath = '/apis/apps/v1/namespaces/kube-system/deployments/coredns'
const servicePath = '/api/v1/namespaces/kube-system/services/kube-dns'

/** What the object was like before, so that it can be given back. */
const annotation = 'weft.dev/before'
/** No node has it: pods of a DaemonSet that asks for it run nowhere. */
export const nowhere: Readonly<Record<string, string>> = { 'weft.dev/replaced': 'true' }

interface Workload {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: { readonly replicas?: number, readonly selector?: Readonly<Record<string, string>>, readonly ports?: readonly object[], readonly template?: { readonly spec: { readonly nodeSelector?: Readonly<Record<string, string>> } } }
}

/**
 * Puts kube-proxy and CoreDNS to rest, once Weft does their work. They are not deleted: their own settings stay for the
 * day they are wanted back.
 *
 * @returns What was put to rest.
 */
export async function takeOver(kube: KubeConnection, { signal }: { readonly signal: AbortSignal }): Promise<readonly string[]> {
  const done: string[] = []
  const proxy = await find(kube, kubeProxyPath, signal)
  if (proxy !== undefined && proxy.metadata.annotations?.[annotation] === undefined) {
    await patchObject(kube, kubeProxyPath, {
      metadata: { annotations: { [annotation]: JSON.stringify(proxy.spec.template?.spec.nodeSelector ?? {}) } },
      spec: { template: { spec: { nodeSelector: nowhere } } },
    }, { type: 'merge', signal })
    done.push('kube-proxy')
  }
  const dns = await find(kube, coreDnsPath, signal)
  if (dns !== undefined && dns.metadata.annotations?.[annotation] === undefined) {
    await patchObject(kube, coreDnsPath, { metadata: { annotations: { [annotation]: String(dns.spec.replicas ?? 1) } }, spec: { replicas: 0 } }, { type: 'merge', signal })
    done.push('CoreDNS')
  }
  return done
}

/** Remembers whom the Service of DNS chose, and on which ports, before it becomes ours. */
export async function rememberDnsService(kube: KubeConnection, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  const service = await find(kube, servicePath, signal)
  if (service?.spec.selector === undefined || service.metadata.annotations?.[annotation] !== undefined || service.spec.selector['app.kubernetes.io/name'] === 'weft') return
  await patchObject(kube, servicePath, { metadata: { annotations: { [annotation]: JSON.stringify({ selector: service.spec.selector, ports: service.spec.ports }) } } }, { type: 'merge', signal })
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

async function find(kube: KubeConnection, path: string, signal: AbortSignal): Promise<Workload | undefined> {
  try {
    return await getObject<Workload>(kube, path, { signal })
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}
