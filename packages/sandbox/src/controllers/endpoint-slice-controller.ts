import { asText, equalJson, objectsIn, valueAt, type JsonObject, type KubeObject } from '../apiserver/json.ts'
import { addAll, type Controller, type ControllerContext } from './controller.ts'
import { compileEndpoints, MAX_ENDPOINTS_PER_SLICE, type EndpointGroup } from './endpoint-slices.ts'
import { KeyLoop } from './key-loop.ts'
import { as, type Pod, type Service } from './model.ts'

const SLICES = 'endpointslices.discovery.k8s.io'
const SERVICE_LABEL = 'kubernetes.io/service-name'
const MANAGER_LABEL = 'endpointslice.kubernetes.io/managed-by'
const MANAGER = 'endpointslice-controller.k8s.io'

/** Keeps the slices of every Service with a selector; only slices that change are written. */
export function endpointSliceController(context: ControllerContext): Controller {
  const loop = new KeyLoop({ name: 'endpointslice', reconcile: key => reconcile(context, key), clock: context.clock, logger: context.logger })
  addAll(context, 'services', loop)
  context.storage.subscribe(({ now, before }) => {
    const namespace = now.object.metadata.namespace!
    const labels = [now.object.metadata.labels ?? {}, before?.object.metadata.labels ?? {}]
    for (const service of context.storage.list('services', namespace).map(object => as<Service>(object))) {
      if (labels.some(map => selects(service, map))) loop.add(`${namespace}/${service.metadata.name}`)
    }
  }, 'pods')
  // Someone else's edit of a slice of ours is undone.
  context.storage.subscribe(({ now }) => {
    const { namespace, labels } = now.object.metadata
    if (labels?.[MANAGER_LABEL] === MANAGER && labels[SERVICE_LABEL] !== undefined) loop.add(`${namespace}/${labels[SERVICE_LABEL]}`)
  }, SLICES)
  return { name: 'endpointslice', loop }
}

function selects(service: Service, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(service.spec.selector ?? {})
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value)
}

async function reconcile({ storage, client }: ControllerContext, key: string): Promise<void> {
  const object = storage.get('services', key)
  const [namespace = '', name = ''] = key.split('/')
  const service = object === undefined ? undefined : as<Service>(object)
  const hasSelector = service !== undefined && Object.keys(service.spec.selector ?? {}).length > 0 && service.spec.type !== 'ExternalName'
  const existing = storage.list(SLICES, namespace).filter(slice => slice.metadata.labels?.[SERVICE_LABEL] === name && slice.metadata.labels[MANAGER_LABEL] === MANAGER)
  // A Service that is gone takes its slices along through garbage collection.
  if (service === undefined || service.metadata.deletionTimestamp !== undefined) return
  const pods = hasSelector ? storage.list('pods', namespace).map(pod => as<Pod>(pod)).filter(pod => selects(service, pod.metadata.labels ?? {})) : []
  const groups = compileEndpoints(service, pods)
  for (const family of hasSelector ? (service.spec.ipFamilies ?? ['IPv4']) : []) {
    // A Service without endpoints still has a slice, so that consumers can tell "none" from "not yet".
    if (!groups.some(group => group.family === family)) groups.push({ family, ports: [], endpoints: [] })
  }
  const plan = planSlices(service, groups, existing)
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`
  for (const slice of plan.write) {
    const sliceName = asText(valueAt(slice, 'metadata.name'))
    if (sliceName === undefined) await client.request('POST', path, { body: slice })
    else await client.request('PUT', `${path}/${sliceName}`, { body: slice })
  }
  for (const slice of plan.remove) await client.request('DELETE', `${path}/${slice.metadata.name}`)
}

interface Chunk {
  readonly slice: KubeObject | undefined
  readonly endpoints: JsonObject[]
}

/** Which slices to write and which to remove so that together they say what `groups` says. */
export function planSlices(service: Service, groups: readonly EndpointGroup[], existing: readonly KubeObject[]): { write: JsonObject[], remove: KubeObject[] } {
  const write: JsonObject[] = []
  const unused = new Set(existing)
  for (const group of groups) {
    const mine = [...unused].filter(slice => slice['addressType'] === group.family && equalJson(slice['ports'] ?? [], [...group.ports]))
    // Endpoints stay in the slice they are in; new ones go where there is room.
    const wanted = new Map(group.endpoints.map(endpoint => [idOf(endpoint), endpoint]))
    const chunks: Chunk[] = mine.map(slice => {
      const kept = objectsIn(slice['endpoints']).map(idOf).filter(id => wanted.has(id))
      const endpoints = kept.map(id => wanted.get(id)!)
      for (const id of kept) wanted.delete(id)
      return { slice, endpoints }
    })
    for (const endpoint of wanted.values()) {
      let chunk = chunks.find(candidate => candidate.endpoints.length < MAX_ENDPOINTS_PER_SLICE)
      if (chunk === undefined) chunks.push((chunk = { slice: undefined, endpoints: [] }))
      chunk.endpoints.push(endpoint)
    }
    if (chunks.length === 0) chunks.push({ slice: undefined, endpoints: [] })
    const filled = chunks.filter(chunk => chunk.endpoints.length > 0)
    for (const chunk of filled.length === 0 ? chunks.slice(0, 1) : filled) {
      if (chunk.slice !== undefined) unused.delete(chunk.slice)
      const slice = sliceOf(service, group, chunk)
      if (chunk.slice === undefined || !equalSlices(chunk.slice, slice)) write.push(slice)
    }
  }
  return { write, remove: [...unused] }
}

function idOf(endpoint: JsonObject): string {
  return asText(valueAt(endpoint, 'targetRef.uid')) ?? JSON.stringify(endpoint['addresses'])
}

function equalSlices(old: KubeObject, slice: JsonObject): boolean {
  return equalJson(old['endpoints'] ?? [], slice['endpoints']) && equalJson(old.metadata.labels, valueAt(slice, 'metadata.labels'))
}

function sliceOf(service: Service, group: EndpointGroup, chunk: Chunk): JsonObject {
  const { name, namespace, uid, labels } = service.metadata
  const headless: Record<string, string> = service.spec.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {}
  const old = chunk.slice?.metadata
  return {
    metadata: {
      ...(old === undefined ? { generateName: `${name}-` } : { name: old.name, resourceVersion: old.resourceVersion, ...(old.generateName === undefined ? {} : { generateName: old.generateName }) }),
      namespace,
      labels: { ...labels, ...headless, [SERVICE_LABEL]: name, [MANAGER_LABEL]: MANAGER },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true }],
    },
    addressType: group.family,
    ports: [...group.ports],
    endpoints: chunk.endpoints,
  }
}
