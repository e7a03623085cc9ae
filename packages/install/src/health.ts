import { networkReasons, networkUnavailable, type NodeName, nodeResource, parseNodeName } from '@weft/api'
import { agentContainer } from '@weft/checks'
import type { Clock } from '@weft/daemon'
import { type KubeConnection, listObjects } from '@weft/kube'
import { isWrongArchitecture, wrongArchitecture } from './cluster/architecture.ts'
import { revisionLabel } from './daemon-set-revision.ts'
import { InstallError } from './errors.ts'

/** How Weft is doing on one node. */
export interface NodeHealth {
  readonly node: NodeName
  /** As the kubelet says. */
  readonly ready: boolean
  /** The condition NetworkUnavailable: empty when the network is there. */
  readonly network: string
  /** What somebody should do although it is there, in the agent's words; else empty. */
  readonly notice: string
  /** Of the agent's pod; undefined while the node has none. `revision` says which template of the DaemonSet it is made of. */
  readonly pod?: { readonly name: string, readonly ready: boolean, readonly image: string, readonly revision: string, readonly restarts: number, readonly waiting: string } | undefined
}

interface NodeText {
  readonly metadata: { readonly name: string }
  readonly status: { readonly conditions?: readonly { readonly type: string, readonly status: string, readonly reason?: string, readonly message?: string }[], readonly nodeInfo?: { readonly architecture?: string } }
}

interface PodText {
  readonly metadata: { readonly name: string, readonly deletionTimestamp?: string, readonly labels?: Readonly<Record<string, string>> }
  readonly spec: { readonly nodeName?: string, readonly containers: readonly { readonly name: string, readonly image: string }[] }
  readonly status?: {
    readonly conditions?: readonly { readonly type: string, readonly status: string, readonly message?: string }[]
    readonly containerStatuses?: readonly ContainerText[]
    readonly initContainerStatuses?: readonly ContainerText[]
  }
}

interface ContainerText {
  readonly name: string
  readonly restartCount: number
  readonly ready?: boolean
  readonly state?: { readonly waiting?: { readonly reason?: string, readonly message?: string }, readonly terminated?: EndText }
  readonly lastState?: { readonly terminated?: EndText }
}

interface EndText {
  readonly exitCode?: number
  readonly reason?: string
  readonly message?: string
}

/** What a runtime gives for a program that the kernel would not start; why stands in the log. */
const notStarted = 255

/** Reads how every node and its agent are doing. */
export async function readHealth(kube: KubeConnection, { signal }: { readonly signal: AbortSignal }): Promise<readonly NodeHealth[]> {
  const [nodes, pods] = await Promise.all([
    listObjects(kube, nodeResource.path, { signal }),
    listObjects(kube, '/api/v1/namespaces/kube-system/pods', { labelSelector: agentContainer.labels, signal }),
  ])
  const live = (pods.items as readonly PodText[]).filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  const health = await Promise.all((nodes.items as readonly NodeText[]).map(async ({ metadata: { name }, status }) => {
    const condition = (type: string) => status.conditions?.find((each) => each.type === type)
    const pod = live.find(({ spec }) => spec.nodeName === name)
    const network = condition(networkUnavailable)
    return {
      node: parseNodeName(name),
      ready: condition('Ready')?.status === 'True',
      network: network === undefined ? 'nobody has said that the network is there' : network.status === 'True' ? network.message ?? 'unavailable' : '',
      notice: network?.status === 'False' && network.reason === networkReasons.podsNotAttached ? network.message ?? '' : '',
      pod: pod === undefined ? undefined : await podHealth(kube, pod, status.nodeInfo?.architecture),
    }
  }))
  return health.toSorted((a, b) => (a.node < b.node ? -1 : 1))
}

async function podHealth(kube: KubeConnection, { metadata, spec, status }: PodText, architecture: string | undefined): Promise<NonNullable<NodeHealth['pod']>> {
  const containers = [...status?.initContainerStatuses ?? [], ...status?.containerStatuses ?? []]
  const waiting = containers.find(isStuck)
  const image = spec.containers.find(({ name }) => name === agentContainer.name)?.image ?? ''
  const isWrong = waiting !== undefined && isWrongArchitecture(await lastWords(kube, metadata.name, waiting))
  return {
    name: metadata.name,
    ready: status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true,
    image,
    revision: metadata.labels?.[revisionLabel] ?? '',
    restarts: containers.reduce((sum, { restartCount }) => sum + restartCount, 0),
    waiting: isWrong ? wrongArchitecture(image, { node: spec.nodeName ?? '', architecture }) : waiting === undefined ? '' : describeContainer(metadata.name, waiting),
  }
}

/** It waits for more than its turn, or has failed and is to be started again. */
function isStuck({ state, ready, lastState }: ContainerText): boolean {
  const waiting = state?.waiting?.reason
  const ended = state?.terminated ?? lastState?.terminated
  return (waiting !== undefined && waiting !== 'PodInitializing') || (ready !== true && ended !== undefined && ended.exitCode !== 0)
}

/** What runtime and kernel said of a container that does not start. */
async function lastWords(kube: KubeConnection, pod: string, { name, state, lastState }: ContainerText): Promise<string> {
  const ended = state?.terminated ?? lastState?.terminated
  const log = ended?.exitCode === notStarted ? await kube.text(`/api/v1/namespaces/kube-system/pods/${pod}/log`, { query: { container: name, previous: state?.terminated === undefined, tailLines: 1 } }).catch(() => '') : ''
  return `${state?.waiting?.message ?? ''} ${ended?.message ?? ''} ${log}`
}

/** What keeps a container, and where its last words are. */
function describeContainer(pod: string, { name, state, lastState }: ContainerText): string {
  const ended = state?.terminated ?? lastState?.terminated
  const reason = state?.waiting?.message ?? state?.waiting?.reason ?? ended?.reason ?? 'ended'
  return `container ${name} of ${pod}: ${reason}${ended === undefined ? '' : ` (exit code ${ended.exitCode ?? '?'}; \`kubectl -n kube-system logs ${pod} -c ${name} --previous\` says why)`}`
}

/** Pods can be wired on this node. */
export function isHealthy({ ready, network, pod }: NodeHealth): boolean {
  return ready && network === '' && pod?.ready === true
}

/** One sentence: what keeps a node. */
export function describeHealth({ node, ready, network, pod }: NodeHealth): string {
  const reasons = [
    ...pod === undefined ? ['no agent runs there'] : pod.waiting !== '' ? [pod.waiting] : pod.ready ? [] : [`agent ${pod.name} is not ready`],
    ...network === '' ? [] : [network],
    ...ready ? [] : ['its kubelet says that it is not ready'],
  ]
  return `${node}: ${reasons.join(', ')}`
}

/** What somebody should do about nodes that are fine: a sentence for each. */
export function describeNotices(health: readonly NodeHealth[]): readonly string[] {
  return health.filter(({ notice }) => notice !== '').map(({ node, notice }) => `${node}: ${notice}`)
}

interface WaitOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly clock: Clock
  readonly onProgress?: ((healthy: number, all: number) => void) | undefined
}

const pollMs = 300

/**
 * Waits until pods can be wired on every node.
 *
 * @throws {InstallError} `ERR_INSTALL_TIMEOUT` with what keeps each node that is left.
 */
export async function untilHealthy(kube: KubeConnection, { signal, timeoutMs, clock, onProgress }: WaitOptions): Promise<readonly NodeHealth[]> {
  const deadline = clock.now() + timeoutMs
  for (;;) {
    const health = await readHealth(kube, { signal })
    const healthy = health.filter(isHealthy).length
    onProgress?.(healthy, health.length)
    if (health.length > 0 && healthy === health.length) return health
    if (clock.now() > deadline) throw new InstallError('ERR_INSTALL_TIMEOUT', `Cannot bring the network up on every node within ${timeoutMs / 1000} s: ${health.filter((each) => !isHealthy(each)).map(describeHealth).join('; ')}`)
    await clock.sleep(pollMs, { signal })
  }
}
