import { setTimeout as sleep } from 'node:timers/promises'
import { Asker, type Cluster, demoNamespace, type Place } from '@weft/checks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasProgram, type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'

// nft plays the foreign program here; the network itself never runs it.
const hasNft = await hasProgram('nft')
const client: Place = { kind: 'pod', namespace: demoNamespace, name: 'client' }

describe('what the network survives', () => {
  let sandbox: RunningSandbox
  let cluster: Cluster

  beforeAll(async () => {
    sandbox = await startDemoSandbox('ipv4')
    cluster = sandbox.cluster
  }, 120_000)
  afterAll(async () => sandbox[Symbol.asyncDispose]())

  const ask = (): Asker => new Asker(cluster, AbortSignal.timeout(20_000))
  const reachesWeb = async (): Promise<boolean> => (await ask().try(client, { kind: 'http', host: `web.${demoNamespace}`, port: 80, path: '/hostname', count: 6, timeoutMs: 1000 })).ok

  test.skipIf(!hasNft)('P5 a foreign `nft flush ruleset` is restored within a second (fault 20)', async () => {
    expect(await reachesWeb()).toBe(true)
    expect((await cluster.run({ kind: 'node', name: 'n1' }, ['nft', 'flush', 'ruleset'])).code).toBe(0)
    const start = performance.now()
    while (!(await reachesWeb())) {
      expect(performance.now() - start, 'ms until Services answered again').toBeLessThan(5000)
      await sleep(50)
    }
    const { stdout } = await cluster.run({ kind: 'node', name: 'n1' }, ['nft', 'list', 'tables'])
    for (const table of ['weft-proxy', 'weft-overlay', 'weft-policy']) expect(stdout).toContain(table)
  })

  test.skipIf(!hasNft)('P8 the table of another program is left alone', async () => {
    const node: Place = { kind: 'node', name: 'n2' }
    await cluster.run(node, ['nft', 'add table inet foreign; add chain inet foreign keep'])
    await cluster.killAgent('n2')
    await untilReady('n2')
    expect((await cluster.run(node, ['nft', 'list', 'table', 'inet', 'foreign'])).stdout).toContain('chain keep')
  })

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
    expect(await reachesWeb()).toBe(true)
    await cluster.kube.request('DELETE', `${pods}/odd`, { query: { gracePeriodSeconds: '0' } })
  })

  test('P11 an agent that starts again writes nothing, on every node', async () => {
    for (const { name } of cluster.nodes) {
      await cluster.killAgent(name)
      const status = await untilReady(name)
      expect(status.kernelWrites, `kernel writes on ${name}`).toBe(0)
    }
  })

  async function untilReady(node: string): ReturnType<Cluster['agentStatus']> {
    const deadline = performance.now() + 15_000
    for (;;) {
      const status = await cluster.agentStatus(node).catch(() => undefined)
      if (status?.ready === true) return status
      expect(performance.now(), `the agent of ${node} was not ready in time`).toBeLessThan(deadline)
      await sleep(50)
    }
  }
})
