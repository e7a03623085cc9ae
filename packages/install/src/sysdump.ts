import { gzipSync } from 'node:zlib'
import { agentContainer } from '@weft/checks'
import { packTar, type TarEntry } from '@weft/image'
import { execInPod, type KubeConnection, listObjects } from '@weft/kube'
import { redact, withoutSecrets } from './redact.ts'

export interface SysdumpOptions {
  readonly signal: AbortSignal
  readonly onProgress: (message: string) => void
}

/** What is read of the cluster; no Secret, and of ConfigMaps only Weft's own. */
const collections: Readonly<Record<string, string>> = {
  'nodes': '/api/v1/nodes',
  'pods': '/api/v1/pods',
  'services': '/api/v1/services',
  'namespaces': '/api/v1/namespaces',
  'endpointslices': '/apis/discovery.k8s.io/v1/endpointslices',
  'networkpolicies': '/apis/networking.k8s.io/v1/networkpolicies',
  'ippools': '/apis/weft.dev/v1alpha1/ippools',
  'ipblocks': '/apis/weft.dev/v1alpha1/ipblocks',
  'daemonsets': '/apis/apps/v1/namespaces/kube-system/daemonsets',
  'deployments': '/apis/apps/v1/namespaces/kube-system/deployments',
  'events': '/api/v1/events',
}
const adminPaths = ['/status', '/readyz', '/metrics', '/dump/cni', '/dump/overlay', '/dump/proxy', '/dump/policy']

interface PodText {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly nodeName: string, readonly containers: readonly { readonly name: string }[] }
}

/** One archive (tar, gzip) for a report of a fault: objects, logs and what every agent wants in its kernel, without secrets. What cannot be read is in `errors.txt`. */
export async function sysdump(kube: KubeConnection, { signal, onProgress }: SysdumpOptions): Promise<Buffer> {
  const files: TarEntry[] = []
  const put = (path: string, content: string): void => void files.push({ kind: 'file', path: `weft/${path}`, mode: 0o600, content: Buffer.from(redact(content)) })
  const errors: string[] = []
  const add = async (path: string, read: () => Promise<string>): Promise<void> => {
    try {
      put(path, await read())
    } catch (error) {
      signal.throwIfAborted()
      errors.push(`${path}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const json = (value: unknown): string => `${JSON.stringify(value, undefined, 1)}\n`

  onProgress('objects')
  await add('version.json', async () => json(await kube.request('GET', '/version', { signal })))
  await add('configmap.json', async () => json(await kube.request('GET', '/api/v1/namespaces/kube-system/configmaps/weft', { signal })))
  for (const [name, path] of Object.entries(collections)) await add(`objects/${name}.json`, async () => json((await listObjects(kube, path, { signal })).items.map(withoutSecrets)))

  const pods = (await listObjects(kube, '/api/v1/namespaces/kube-system/pods', { labelSelector: 'app.kubernetes.io/name=weft', signal })).items as readonly PodText[]
  for (const { metadata: { name }, spec } of pods) {
    onProgress(`${name} on ${spec.nodeName}`)
    for (const container of spec.containers.map((each) => each.name)) {
      for (const previous of [false, true]) await add(`logs/${name}.${container}${previous ? '.previous' : ''}.log`, async () => await kube.text(`/api/v1/namespaces/kube-system/pods/${name}/log`, { query: { container, previous, tailLines: 20_000 }, signal }))
      if (container !== agentContainer.name) continue
      for (const path of adminPaths) await add(`nodes/${spec.nodeName}${path.replaceAll('/', '.')}.txt`, async () => {
        const { code, stdout, stderr } = await execInPod(kube, { namespace: 'kube-system', name, container }, ['weft', 'admin', path], { signal })
        if (code !== 0) throw new Error(stderr)
        return stdout
      })
    }
  }
  put('errors.txt', errors.join('\n'))
  return gzipSync(packTar(files))
}
