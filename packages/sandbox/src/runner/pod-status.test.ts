import { describe, expect, test } from 'vitest'
import type { ContainerState, ContainerStatus, PodObject, PodSpec, PodStatus } from './pod-object.ts'
import { podStatus } from './pod-status.ts'

const now = '2026-01-01T00:00:01.000Z'
const before = '2026-01-01T00:00:00.000Z'
const running: ContainerState = { running: { startedAt: before } }
const ended = (exitCode: number): ContainerState => ({ terminated: { exitCode, reason: 'x', startedAt: before, finishedAt: now, containerID: 'c' } })
const container = (state: ContainerState, flags: Partial<ContainerStatus> = {}): ContainerStatus => ({ name: 'main', image: 'i', imageID: 'i', ready: false, started: state.running !== undefined, restartCount: 0, state, lastState: {}, ...flags })
const status = (containers: readonly ContainerStatus[], spec: Partial<PodSpec> = {}, options: { readonly init?: readonly ContainerStatus[], readonly known?: PodStatus } = {}): PodStatus => {
  const pod: PodObject = { metadata: { name: 'p', namespace: 'n', uid: 'u', resourceVersion: '1' }, spec: { containers: [{ name: 'main', image: 'i' }], ...spec }, status: options.known }
  return podStatus({ pod, podIps: ['10.244.0.2'], hostIps: ['172.30.1.11'], startTime: before, sandboxReady: true, init: options.init ?? [], containers, now })
}
const condition = (value: PodStatus, type: string): string | undefined => value.conditions?.find((each) => each.type === type)?.status

describe('podStatus()', () => {
  test('is Pending until something runs, then Running', () => {
    expect(status([container({ waiting: { reason: 'ContainerCreating' } })]).phase).toBe('Pending')
    expect(status([container(running)]).phase).toBe('Running')
    expect(status([container({ waiting: { reason: 'CrashLoopBackOff' } }, { lastState: ended(1) })]).phase).toBe('Running')
  })

  test('ends by restart policy and exit codes', () => {
    expect(status([container(ended(0))], { restartPolicy: 'Never' }).phase).toBe('Succeeded')
    expect(status([container(ended(1))], { restartPolicy: 'Never' }).phase).toBe('Failed')
    expect(status([container(ended(1))], { restartPolicy: 'OnFailure' }).phase).toBe('Running')
    expect(status([container(ended(0))], { restartPolicy: 'OnFailure' }).phase).toBe('Succeeded')
    expect(status([container(ended(0))]).phase).toBe('Running')
  })

  test('is Ready when every container is, and its readiness gates are open', () => {
    expect(condition(status([container(running)]), 'Ready')).toBe('False')
    expect(condition(status([container(running, { ready: true })]), 'Ready')).toBe('True')
    const gate = { readinessGates: [{ conditionType: 'a/b' }] }
    expect(condition(status([container(running, { ready: true })], gate), 'Ready')).toBe('False')
    expect(condition(status([container(running, { ready: true })], gate, { known: { conditions: [{ type: 'a/b', status: 'True' }] } }), 'Ready')).toBe('True')
  })

  test('waits for init containers; a sidecar need only have started', () => {
    const init = { ...container(running), name: 'first' }
    const spec = { initContainers: [{ name: 'first', image: 'i' }] }
    expect(status([container(running)], spec, { init: [init] }).phase).toBe('Pending')
    expect(condition(status([container(running)], spec, { init: [init] }), 'Initialized')).toBe('False')
    const sidecar = { initContainers: [{ name: 'first', image: 'i', restartPolicy: 'Always' as const }] }
    expect(status([container(running)], sidecar, { init: [init] }).phase).toBe('Running')
    expect(status([container({ waiting: { reason: 'PodInitializing' } })], { ...spec, restartPolicy: 'Never' }, { init: [{ ...init, state: ended(1) }] }).phase).toBe('Failed')
  })

  test('keeps the conditions of others, and times until a status turns', () => {
    const known: PodStatus = { conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: before }, { type: 'Ready', status: 'True', lastTransitionTime: before }, { type: 'Initialized', status: 'False', lastTransitionTime: before }] }
    const { conditions } = status([container(running, { ready: true })], {}, { known })
    expect(conditions?.find(({ type }) => type === 'PodScheduled')).toEqual(known.conditions![0])
    expect(conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime).toBe(before)
    expect(conditions?.find(({ type }) => type === 'Initialized')?.lastTransitionTime).toBe(now)
  })
})
