import { setTimeout as sleep } from 'node:timers/promises'
import { Asker, demoNamespace, type Place } from '@weft/checks'
import { expect, test } from 'vitest'
import type { LifeOptions } from './life-options.ts'
import { agentPods, createPod, demoPods, isReady, listPods, remove } from './objects.ts'
import { signalProgram } from './programs.ts'
import { Traffic } from './traffic.ts'
import { until } from './wait.ts'

const client: Place = { kind: 'pod', namespace: demoNamespace, name: 'client' }

interface AbsenceOptions extends LifeOptions {
  /** How long the API server is away, in milliseconds. */
  readonly awayMs: number
}

/** The API server is away, and nobody who is connected to it is told. */
export function survivesApiServer({ cluster, awayMs }: AbsenceOptions): void {
  test(`P6, LIFE-5 the API server is away for ${awayMs / 1000} s, and an agent dies meanwhile: no request and no lookup fails, and what came late is caught up with`, async () => {
    const { items } = await cluster().kube.request<{ readonly items: readonly { readonly metadata: { readonly name: string, readonly labels?: Readonly<Record<string, string>> } }[] }>('GET', '/api/v1/nodes')
    const controlPlane = items.find(({ metadata }) => Object.hasOwn(metadata.labels ?? {}, 'node-role.kubernetes.io/control-plane'))!.metadata.name
    const worker = cluster().nodes.at(-1)!.name
    const traffic = await Traffic.fromClient(cluster())
    try {
      expect(await traffic.during(await traffic.service('web'), async () => {
        await signalProgram(cluster(), controlPlane, 'kube-apiserver', 'STOP')
        await sleep(awayMs / 2)
        // It has nobody to ask, and goes on with what the kernel and its store hold.
        await signalProgram(cluster(), worker, 'weft-agent')
        await sleep(awayMs / 2)
      })).toBe('')
    } finally {
      await signalProgram(cluster(), controlPlane, 'kube-apiserver', 'CONT')
    }
    await until('every agent is Ready again', 180_000, async () => (await agentPods(cluster())).every(isReady))
    // The Service that nobody stood behind until now.
    await createPod(cluster(), 'after-absence', { labels: { app: 'nobody' }, container: { ports: [{ name: 'http', containerPort: 8080 }, { name: 'echo', containerPort: 8081, protocol: 'UDP' }] }, spec: { nodeName: worker } })
    try {
      await until('a new endpoint answers', 60_000, async () => (await new Asker(cluster(), AbortSignal.timeout(30_000)).from(client, { kind: 'http', host: `nobody.${demoNamespace}`, port: 80, path: '/hostname' }))[0] === 'after-absence')
      expect((await listPods(cluster(), demoPods, { labelSelector: 'app=web' })).every(isReady)).toBe(true)
    } finally {
      await remove(cluster(), `${demoPods}/after-absence`)
    }
  })
}
