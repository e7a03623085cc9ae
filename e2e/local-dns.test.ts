import { setTimeout as sleep } from 'node:timers/promises'
import { adminClient, agentCalls, parseNodeName } from '@weft/api'
import { Asker, demoNamespace, type Place } from '@weft/checks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'

const client: Place = { kind: 'pod', namespace: demoNamespace, name: 'client' }

describe('names while the DNS server of the node is away', () => {
  let sandbox: RunningSandbox

  beforeAll(async () => {
    sandbox = await startDemoSandbox('ipv4')
  }, 120_000)
  afterAll(async () => sandbox[Symbol.asyncDispose]())

  test('A7 the DNS server of one node is silent for 30 s: after a second no lookup fails (design decision 8)', async () => {
    const pid = (await sandbox.handle.client.status()).nodes.find(({ name }) => name === 'n1')!.programs.find(({ name }) => name.startsWith('dns'))!.pid!
    const signalDns = async (signal: string): Promise<void> => {
      const { code, stderr } = await sandbox.cluster.run({ kind: 'node', name: parseNodeName('n1') }, ['kill', `-${signal}`, String(pid)])
      expect(code, stderr).toBe(0)
    }
    const names = ['web.demo.svc.cluster.local', 'client.demo.svc.cluster.local', 'kubernetes.default.svc.cluster.local']
    const resolves = async (): Promise<readonly string[]> => {
      const asker = new Asker(sandbox.cluster, AbortSignal.timeout(20_000))
      const answers = await Promise.all(names.map((name) => asker.try(client, { kind: 'dns', name, type: 'A', timeoutMs: 1500 })))
      return answers.flatMap(({ ok, error, detail }, index) => (ok ? [] : [`${names[index]}: ${error} ${detail}`]))
    }
    expect(await resolves()).toEqual([])
    // Stopped, its port stays open and nothing comes back: the hardest way to be away.
    await signalDns('STOP')
    const failures: string[] = []
    let rounds = 0
    try {
      await sleep(1000)
      for (const end = performance.now() + 30_000; performance.now() < end; rounds++) {
        failures.push(...await resolves())
        await sleep(200)
      }
    } finally {
      await signalDns('CONT')
    }
    expect(failures).toEqual([])
    expect(rounds).toBeGreaterThan(5)
    // And back: the node's own server is used again.
    const deadline = performance.now() + 10_000
    const isLocal = async (): Promise<boolean> => /dnsserver4 \{[^}]*elements/.test(await adminClient(agentCalls, sandbox.handle.client.admin('agents', 'n1')).dumpProxy({}))
    while (!(await isLocal())) {
      expect(performance.now(), 'queries came back to the local server').toBeLessThan(deadline)
      await sleep(100)
    }
    expect(await resolves()).toEqual([])
  }, 120_000)
})
