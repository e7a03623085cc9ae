import { isNotFound, type KubeClient } from '@weft/kube'
import type { Container, PodObject } from './pod-object.ts'

type DataKind = 'configmaps' | 'secrets'

/** ConfigMaps and Secrets that a pod refers to, as text by key. */
export class PodData {
  readonly #data: ReadonlyMap<string, Readonly<Record<string, string>>>

  private constructor(data: ReadonlyMap<string, Readonly<Record<string, string>>>) {
    this.#data = data
  }

  /** Reads all of them at once; those that do not exist are missing in the answer. */
  static async read(kube: KubeClient, pod: PodObject): Promise<PodData> {
    const entries = await Promise.all([...referencesOf(pod)].map(async ([reference, { kind, name }]) => {
      try {
        const object = await kube.request<DataObject>('GET', `/api/v1/namespaces/${pod.metadata.namespace}/${kind}/${name}`)
        return [reference, decode(kind, object)] as const
      } catch (error) {
        if (isNotFound(error)) return undefined
        throw error
      }
    }))
    return new PodData(new Map(entries.filter((entry) => entry !== undefined)))
  }

  get(kind: DataKind, name: string): Readonly<Record<string, string>> | undefined {
    return this.#data.get(`${kind}/${name}`)
  }
}

interface DataObject {
  readonly data?: Readonly<Record<string, string>> | undefined
  readonly binaryData?: Readonly<Record<string, string>> | undefined
}

function decode(kind: DataKind, { data = {}, binaryData = {} }: DataObject): Record<string, string> {
  const base64 = (values: Readonly<Record<string, string>>): Record<string, string> => Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
  return kind === 'secrets' ? base64(data) : { ...data, ...base64(binaryData) }
}

function referencesOf({ spec }: PodObject): ReadonlyMap<string, { readonly kind: DataKind, readonly name: string }> {
  const found = new Map<string, { readonly kind: DataKind, readonly name: string }>()
  const add = (kind: DataKind, name: string | undefined): void => {
    if (name !== undefined && name !== '') found.set(`${kind}/${name}`, { kind, name })
  }
  const containers: readonly Container[] = [...(spec.initContainers ?? []), ...spec.containers]
  for (const { env = [], envFrom = [] } of containers) {
    for (const { configMapRef, secretRef } of envFrom) {
      add('configmaps', configMapRef?.name)
      add('secrets', secretRef?.name)
    }
    for (const { valueFrom } of env) {
      add('configmaps', valueFrom?.configMapKeyRef?.name)
      add('secrets', valueFrom?.secretKeyRef?.name)
    }
  }
  for (const { configMap, secret, projected } of spec.volumes ?? []) {
    add('configmaps', configMap?.name)
    add('secrets', secret?.secretName)
    for (const source of projected?.sources ?? []) {
      add('configmaps', source.configMap?.name)
      add('secrets', source.secret?.name)
    }
  }
  return found
}
