import type { Clock } from '@weft/daemon'
import { createKubeClient, type KubeConnection } from '@weft/kube'
import { type FakeObject, FakeApiServer } from '@weft/kube/testing'
import { nowhere } from '../takeover.ts'

const nodesPath = '/api/v1/nodes'
const podsPath = '/api/v1/pods'
const setsPath = '/apis/apps/v1/daemonsets'
const revisionsPath = '/apis/apps/v1/controllerrevisions'
const hash = 'controller-revision-hash'

interface SetSpec {
  readonly updateStrategy?: { readonly type?: string }
  readonly template: { readonly metadata?: { readonly labels?: Record<string, string> }, readonly spec: { readonly nodeSelector?: Readonly<Record<string, string>>, readonly containers: readonly { readonly name: string, readonly image: string }[] } }
}

/**
 * An API server with what stands around one: a controller of DaemonSets, and kubelets. They work whenever somebody waits:
 * the clock is theirs, and no test does.
 */
export class FakeCluster implements AsyncDisposable {
  readonly server: FakeApiServer
  readonly kube: KubeConnection
  readonly clock: Clock
  /** Nodes whose agent does not get Ready with this image. */
  readonly sick: Map<string, string> = new Map()
  /** False: nobody looks at DaemonSets. */
  controls = true
  #now = 0
  /** Of the agents' DaemonSet, as last seen. */
  #spec = { text: '', generation: 0 }

  private constructor(server: FakeApiServer) {
    this.server = server
    server.api.watch(setsPath, {}, { send: ({ type, object }) => type !== 'DELETED' && this.#count(object as FakeObject), end: () => undefined })
    this.kube = createKubeClient({ server: server.url })
    this.clock = {
      now: () => this.#now,
      wallTime: () => new Date(this.#now),
      sleep: async (ms) => {
        await Promise.resolve()
        this.#now += ms
        this.work()
      },
    }
  }

  /** @param options.logs What pods of these names print, where that is not what all print. */
  static async start(nodes: readonly string[], { logs = {} }: { readonly logs?: Readonly<Record<string, string>> } = {}): Promise<FakeCluster> {
    const server = await FakeApiServer.start()
    for (const [pod, raw] of Object.entries(logs)) server.fault({ match: new RegExp(`^GET .*/${pod}/log`), raw, times: Infinity })
    server.fault({ match: /^GET \/version/, raw: '{"gitVersion":"v1.36.3"}', times: Infinity })
    server.fault({ match: /^GET .*weft-preflight.*\/log/, raw: '[]', times: Infinity })
    server.fault({ match: /^GET .*weft-clean.*\/log/, raw: '{"removed":[],"failed":[]}', times: Infinity })
    for (const [index, name] of nodes.entries()) {
      server.api.put(nodesPath, {
        metadata: { name },
        spec: { podCIDRs: [`10.244.${index}.0/24`] },
        status: { nodeInfo: { kubeletVersion: 'v1.36.3' }, addresses: [{ type: 'InternalIP', address: `192.0.2.${index + 1}` }], conditions: [{ type: 'Ready', status: 'True' }] },
      })
    }
    server.api.put('/apis/discovery.k8s.io/v1/endpointslices', {
      metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
      addressType: 'IPv4', endpoints: [{ addresses: ['192.0.2.100'] }], ports: [{ name: 'https', port: 6443 }],
    })
    return new FakeCluster(server)
  }

  /** Pods of the agents by node: image, and whether Ready. */
  agents(): Readonly<Record<string, { readonly image: string, readonly name: string }>> {
    return Object.fromEntries(this.#pods('agent').map((pod) => {
      const spec = pod.spec as { readonly nodeName: string, readonly containers: readonly { readonly image: string }[] }
      return [spec.nodeName, { image: spec.containers[0]!.image, name: pod.metadata.name! }]
    }))
  }

  object(collection: string, name: string): FakeObject {
    return this.server.api.objects(collection).find(({ metadata }) => metadata.name === name)!
  }

  /** One round of everybody. */
  work(): void {
    for (const pod of this.#pods('node-program')) if (pod.status === undefined) this.server.api.put(podsPath, { ...pod, status: { phase: 'Succeeded' } })
    if (!this.controls) return
    for (const set of this.server.api.objects(setsPath)) if (set.metadata.name === 'weft-agent') this.#control(set)
    for (const { metadata: { name }, ...node } of this.server.api.objects(nodesPath)) {
      const agent = this.#pods('agent').find(({ spec }) => (spec as { nodeName: string }).nodeName === name)
      if (agent === undefined) continue
      const { image } = (agent.spec as SetSpec['template']['spec']).containers[0]!
      const ready = this.sick.get(name!) !== image
      this.server.api.put(podsPath, { ...agent, status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] } })
      this.server.api.put(nodesPath, { ...node, metadata: { name: name! }, status: { ...node.status as object, conditions: [{ type: 'Ready', status: 'True' }, { type: 'NetworkUnavailable', status: ready ? 'False' : 'True', message: 'the agent is away' }] } })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kube[Symbol.asyncDispose]()
    await this.server[Symbol.asyncDispose]()
  }

  #pods(component: string): readonly FakeObject[] {
    return this.server.api.objects(podsPath).filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === component)
  }

  /** As an API server counts the versions of a specification. */
  #count(set: FakeObject): void {
    const text = JSON.stringify(set.spec)
    if (set.metadata.name !== 'weft-agent' || text === this.#spec.text) return
    this.#spec = { text, generation: this.#spec.generation + 1 }
    this.server.api.put(setsPath, { ...set, metadata: { ...set.metadata, generation: this.#spec.generation } as FakeObject['metadata'] })
  }

  /** As the controller of DaemonSets, as far as somebody here depends on it: a pod a node, made of the newest revision. */
  #control(set: FakeObject): void {
    const spec = set.spec as SetSpec
    const { generation } = this.#spec
    this.server.api.put(setsPath, { ...set, status: { observedGeneration: generation } })

    const template = JSON.stringify(spec.template)
    const revisions = this.server.api.objects(revisionsPath)
    let current = revisions.find(({ data }) => data === template)
    const newest = Math.max(0, ...revisions.map(({ revision }) => Number(revision)))
    // One that was there before is the newest again, under its own hash.
    if (current === undefined || Number(current['revision']) < newest) {
      current = this.server.api.put(revisionsPath, {
        metadata: current?.metadata ?? { name: `r${newest + 1}`, namespace: 'kube-system', labels: { [hash]: `h${newest + 1}` }, ownerReferences: [{ uid: set.metadata.uid! }] } as FakeObject['metadata'],
        revision: newest + 1, data: template,
      })
    }
    const label = current.metadata.labels![hash]!
    const runsNowhere = spec.template.spec.nodeSelector !== undefined && Object.keys(nowhere).some((key) => Object.hasOwn(spec.template.spec.nodeSelector!, key))
    for (const { metadata: { name } } of this.server.api.objects(nodesPath)) {
      const pod = this.#pods('agent').find((each) => (each.spec as { nodeName: string }).nodeName === name)
      const outdated = pod !== undefined && pod.metadata.labels?.[hash] !== label && spec.updateStrategy?.type !== 'OnDelete'
      if (pod !== undefined && (runsNowhere || outdated)) this.server.api.remove(podsPath, `kube-system/${pod.metadata.name!}`)
      if ((pod !== undefined && !outdated) || runsNowhere) continue
      this.server.api.put(podsPath, { metadata: { name: `weft-agent-${name}-${generation}`, namespace: 'kube-system', labels: { ...spec.template.metadata?.labels, [hash]: label } }, spec: { ...spec.template.spec, nodeName: name! } })
    }
  }
}
