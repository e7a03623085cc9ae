// Read first: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
import type { Condition, ContainerStatus, PodObject, PodStatus } from './pod-object.ts'

/** What the node runner knows about a pod. */
export interface PodFacts {
  readonly pod: PodObject
  readonly podIps: readonly string[]
  readonly hostIps: readonly string[]
  readonly startTime: string
  /** Its network and pause are there. */
  readonly sandboxReady: boolean
  readonly init: readonly ContainerStatus[]
  readonly containers: readonly ContainerStatus[]
  readonly now: string
}

/** The status of a pod, as a kubelet reports it. Conditions of others are kept; times move only when a status turns. */
export function podStatus(facts: PodFacts): PodStatus {
  const { pod, containers, init } = facts
  const phase = phaseOf(facts)
  const over = phase === 'Succeeded' || phase === 'Failed'
  const initialized = over && init.length === 0 ? true : init.every(isInitialized(pod))
  const containersReady = !over && containers.length > 0 && containers.every(({ ready }) => ready) && init.filter(isSidecar(pod)).every(({ ready }) => ready)
  const unready = containers.filter(({ ready }) => !ready).map(({ name }) => name)
  const gates = pod.spec.readinessGates ?? []
  const gatesOpen = gates.every(({ conditionType }) => pod.status?.conditions?.some(({ type, status }) => type === conditionType && status === 'True') === true)
  const why = over
    ? { reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` }
  const own: Omit<Condition, 'lastTransitionTime'>[] = [
    { type: 'PodReadyToStartContainers', status: truth(facts.sandboxReady) },
    { type: 'Initialized', status: truth(initialized), ...(initialized ? {} : { reason: 'ContainersNotInitialized' }) },
    { type: 'Ready', status: truth(containersReady && gatesOpen), ...(containersReady ? (gatesOpen ? {} : { reason: 'ReadinessGatesNotReady' }) : why) },
    { type: 'ContainersReady', status: truth(containersReady), ...(containersReady ? {} : why) },
  ]
  const before = pod.status?.conditions ?? []
  const kept = before.filter(({ type }) => !own.some((condition) => condition.type === type))
  const [hostIP] = facts.hostIps
  const [podIP] = facts.podIps
  return {
    phase,
    conditions: [...own.map((condition) => withTime(condition, before, facts.now)), ...kept],
    ...(hostIP === undefined ? {} : { hostIP, hostIPs: facts.hostIps.map((ip) => ({ ip })) }),
    ...(podIP === undefined ? {} : { podIP, podIPs: facts.podIps.map((ip) => ({ ip })) }),
    startTime: facts.startTime,
    ...(init.length === 0 ? {} : { initContainerStatuses: init }),
    containerStatuses: containers,
  }
}

function phaseOf({ pod, init, containers }: PodFacts): NonNullable<PodStatus['phase']> {
  const policy = pod.spec.restartPolicy ?? 'Always'
  const failedInit = init.some(({ state }) => state.terminated !== undefined && state.terminated.exitCode !== 0)
  if (failedInit && policy === 'Never') return 'Failed'
  if (!init.every(isInitialized(pod))) return 'Pending'
  const started = containers.some(({ state, lastState }) => state.running !== undefined || state.terminated !== undefined || lastState.terminated !== undefined)
  if (!started) return 'Pending'
  const ended = containers.every(({ state }) => state.terminated !== undefined)
  if (!ended || policy === 'Always') return 'Running'
  if (containers.every(({ state }) => state.terminated?.exitCode === 0)) return 'Succeeded'
  return policy === 'Never' ? 'Failed' : 'Running'
}

function isInitialized(pod: PodObject): (status: ContainerStatus) => boolean {
  const sidecar = isSidecar(pod)
  return (status) => (sidecar(status) ? status.started : status.state.terminated?.exitCode === 0)
}

function isSidecar({ spec }: PodObject): (status: ContainerStatus) => boolean {
  return ({ name }) => spec.initContainers?.find((container) => container.name === name)?.restartPolicy === 'Always'
}

function withTime(condition: Omit<Condition, 'lastTransitionTime'>, before: readonly Condition[], now: string): Condition {
  const previous = before.find(({ type }) => type === condition.type)
  return { ...condition, lastTransitionTime: previous?.status === condition.status ? previous.lastTransitionTime ?? now : now }
}

function truth(value: boolean): 'True' | 'False' {
  return value ? 'True' : 'False'
}
