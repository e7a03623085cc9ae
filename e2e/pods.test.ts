import { setTimeout as sleep } from 'node:timers/promises'
import { demoNamespace } from '@weft/checks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'

interface PodText {
  readonly status?: { readonly podIP?: string, readonly podIPs?: readonly { readonly ip: string }[] }
}

describe('what a pod asks for', () => {
  let sandbox: RunningSandbox
  beforeAll(async () => {
    sandbox = await startDemoSandbox('dual', { nodes: 1 })
  }, 120_000)
  afterAll(async () => sandbox[Symbol.asyncDispose]())

  test('IPAM-8, IPAM-14 addresses in an annotation are those of the pod, and of the next pod when it is gone', async () => {
    const { kube } = sandbox.cluster
    const pods = `/api/v1/namespaces/${demoNamespace}/pods`
    const asked = ['10.244.0.77', 'fd00:10:244::77']
    for (const name of ['asks', 'asks-again']) {
      await kube.request('POST', pods, {
        body: { apiVersion: 'v1', kind: 'Pod', metadata: { name, annotations: { 'weft.dev/ips': asked.join(', ') } }, spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'weft.dev/probe', command: ['sleep', '1000'] }] } },
      })
      let pod: PodText = {}
      for (let turn = 0; turn < 200 && pod.status?.podIP === undefined; turn += 1) {
        pod = await kube.request<PodText>('GET', `${pods}/${name}`)
        await sleep(50)
      }
      expect([pod.status?.podIP, pod.status?.podIPs?.map(({ ip }) => ip)]).toEqual([asked[0], asked])
      await kube.request('DELETE', `${pods}/${name}`, { query: { gracePeriodSeconds: '0' } })
      // The address is its own until the runtime has taken it away.
      await sleep(1500)
    }
  }, 60_000)
})
