import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, demoNamespace } from '@weft/checks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasProgram, type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'
import { reachesWeb, survivesFaults } from './suites/faults.ts'

// nft plays the foreign program here; the network itself never runs it.
const hasNft = await hasProgram('nft')

describe('what the network survives', () => {
  let sandbox: RunningSandbox
  let cluster: Cluster

  beforeAll(async () => {
    sandbox = await startDemoSandbox('ipv4')
    cluster = sandbox.cluster
  }, 120_000)
  afterAll(async () => sandbox[Symbol.asyncDispose]())

  survivesFaults({ cluster: () => cluster, hasNft, restartMs: 15_000 })

  test('P10 an object that cannot be used is refused by itself, with an Event that names the field', async () => {
    const pods = `/api/v1/namespaces/${demoNamespace}/pods`
    // The API server does not judge what a kubelet writes into a status.
    await cluster.kube.request('POST', pods, { body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'odd' }, spec: { nodeName: 'elsewhere', containers: [{ name: 'c', image: 'weft.dev/probe' }] } } })
    await cluster.kube.request('PATCH', `${pods}/odd/status`, { body: { status: { podIPs: [{ ip: '127.0.0.300' }] } }, contentType: 'application/merge-patch+json' })
    const deadline = performance.now() + 10_000
    let messages: readonly string[] = []
    while (!messages.some((message) => message.includes('status.podIPs[0].ip'))) {
      expect(performance.now(), `Events told: ${messages.join('; ') || 'nothing'}`).toBeLessThan(deadline)
      const { items } = await cluster.kube.request<{ items: { readonly message: string }[] }>('GET', `/api/v1/namespaces/${demoNamespace}/events`, { query: { fieldSelector: 'involvedObject.name=odd' } })
      messages = items.map(({ message }) => message)
      await sleep(100)
    }
    expect(await reachesWeb(cluster)).toBe(true)
    await cluster.kube.request('DELETE', `${pods}/odd`, { query: { gracePeriodSeconds: '0' } })
  })
})
