import { setTimeout as sleep } from 'node:timers/promises'
import { Asker, type Cluster, demoNamespace, type Place } from '@weft/checks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'

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

  test('P5 a foreign `nft flush ruleset` is restored within a second (fault 20)', async () => {
    expect(await reachesWeb()).toBe(true)
    const { code } = await cluster.run({ kind: 'node', name: 'n1' }, ['nft', 'flush', 'ruleset'])
    if (code !== 0) return expect(code, 'Debian\'s nft is needed to play the foreign program').toBe(0)
    const start = performance.now()
    while (!(await reachesWeb())) {
      expect(performance.now() - start, 'ms until Services answered again').toBeLessThan(5000)
      await sleep(50)
    }
    const { stdout } = await cluster.run({ kind: 'node', name: 'n1' }, ['nft', 'list', 'tables'])
    for (const table of ['weft-proxy', 'weft-overlay', 'weft-policy']) expect(stdout).toContain(table)
  })

  test('P8 the table of another program is left alone', async () => {
    const node: Place = { kind: 'node', name: 'n2' }
    await cluster.run(node, ['nft', 'add table inet foreign; add chain inet foreign keep'])
    await cluster.killAgent('n2')
    await untilReady('n2')
    expect((await cluster.run(node, ['nft', 'list', 'table', 'inet', 'foreign'])).stdout).toContain('chain keep')
  })

  test('P10 an invalid object is refused by itself, with an Event that names the field', async () => {
    // The API server refuses such a slice too, so it is put past its validation by a selector-less one it cannot judge.
    const path = `/apis/networking.k8s.io/v1/namespaces/${demoNamespace}/networkpolicies`
    const invalid = cluster.kube.request('POST', path, { body: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'bad' }, spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/33' } }] }] } } })
    await expect(invalid).rejects.toThrow(/cidr/)
    expect(await reachesWeb()).toBe(true)
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
