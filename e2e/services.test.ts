import { adminClient, agentCalls } from '@weft/api'
import { demoNamespace } from '@weft/checks'
import { formatIp } from '@weft/ip'
import { SandboxClient } from '@weft/sandbox'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'
import { servesOn } from './suites/services.ts'

describe('Services while the cluster changes', () => {
  let sandbox: RunningSandbox

  beforeAll(async () => {
    sandbox = await startDemoSandbox('dual')
  }, 120_000)
  afterAll(async () => sandbox[Symbol.asyncDispose]())

  servesOn({ cluster: () => sandbox.cluster, restartMs: 15_000 })

  test('every node explains a Service, and its table, as the kernel has it', async () => {
    const { kube, nodes } = sandbox.cluster
    const web = await kube.request<{ readonly spec: { readonly clusterIP: string, readonly ports: readonly { readonly nodePort: number }[] } }>('GET', `/api/v1/namespaces/${demoNamespace}/services/web`)
    const client = new SandboxClient(sandbox.handle.stateDir)
    for (const { name, ips } of nodes) {
      const agent = adminClient(agentCalls, client.admin('agents', name))
      const vip = web.spec.clusterIP
      expect(await agent.dumpProxy({})).toContain(`${vip} . tcp . 80 : 0:3`)
      for (const [to, word] of [[`${vip}:80`, 'a cluster IP'], [`${formatIp(ips[0]!)}:${web.spec.ports[0]!.nodePort}`, 'a NodePort']] as const) {
        const text = await agent.explainProxy({ to, protocol: 'TCP', from: '203.0.113.9' })
        expect(text).toContain(`${to} is ${word} of Service ${demoNamespace}/web.`)
        const [model, kernel] = ['model', 'kernel'].map((side) => new RegExp(`^${side}: +(.+)$`, 'm').exec(text)?.[1])
        expect(model).toMatch(/^sent to .*:8080, source becomes /)
        expect(kernel).toBe(model)
      }
    }
  })
})
