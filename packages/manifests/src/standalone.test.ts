import { describe, expect, test } from 'vitest'
import type { KubeObject } from './kube-object.ts'
import { type StandaloneProgram, standaloneManifests } from './standalone.ts'

interface DaemonSet extends KubeObject {
  readonly spec: { readonly template: { readonly spec: {
    readonly serviceAccountName: string
    readonly hostNetwork: boolean
    readonly tolerations: readonly object[]
    readonly containers: readonly [{ readonly command: readonly string[], readonly securityContext: object, readonly volumeMounts: readonly { readonly name: string, readonly mountPath: string }[] }]
    readonly volumes: readonly { readonly name: string, readonly configMap?: { readonly name: string }, readonly hostPath?: { readonly path: string } }[]
  } } }
}

const daemonSet = (program: StandaloneProgram): DaemonSet => standaloneManifests(program).find(({ kind }) => kind === 'DaemonSet') as DaemonSet

describe.each(['proxy', 'policy'] as const)('standaloneManifests(%s)', (program) => {
  test('one program on every node, which waits for no network (D3)', () => {
    const { spec } = daemonSet(program).spec.template
    expect(spec).toMatchObject({ hostNetwork: true, dnsPolicy: 'Default', priorityClassName: 'system-node-critical', tolerations: [{ operator: 'Exists' }] })
    expect(spec.containers.map(({ command }) => command)).toEqual([[`weft-${program}`, '--config', `/etc/weft/${program}.yaml`]])
  })

  test('it may write the network of its node, and nothing else (D2)', () => {
    const { spec } = daemonSet(program).spec.template
    expect(spec.containers[0].securityContext).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } })
    expect(spec.volumes.flatMap(({ hostPath }) => hostPath?.path ?? [])).toEqual(program === 'proxy' ? ['/proc/sys/net'] : [])
  })

  test('all that the pod names is there, and nothing of an installation of the whole', () => {
    const objects = standaloneManifests(program)
    const { spec } = daemonSet(program).spec.template
    expect(objects.filter(({ kind }) => kind === 'ServiceAccount').map(({ metadata }) => metadata.name)).toEqual([spec.serviceAccountName])
    expect(objects.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name)).toEqual(spec.volumes.flatMap(({ configMap }) => configMap?.name ?? []))
    expect(spec.containers[0].volumeMounts.map(({ name }) => name)).toEqual(spec.volumes.map(({ name }) => name))
    expect(new Set(objects.map(({ metadata }) => metadata.name))).toEqual(new Set([`weft-${program}`]))
  })
})
