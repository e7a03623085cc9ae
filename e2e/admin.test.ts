import { adminClient, agentCalls, controllerCalls, dnsCalls } from '@weft/api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningSandbox, startDemoSandbox } from './sandbox-fixture.ts'

describe('what programs answer on their admin sockets', () => {
  let sandbox: RunningSandbox

  beforeAll(async () => {
    sandbox = await startDemoSandbox('ipv4')
  }, 120_000)
  afterAll(async () => sandbox[Symbol.asyncDispose]())

  test('the agent tells its state, its tables, and why a connection is open', async () => {
    const agent = adminClient(agentCalls, sandbox.handle.client.admin('agents', 'n1'))
    expect(await agent.status({})).toMatchObject({ ready: true, waiting: [] })
    expect(await agent.dumpProxy({})).toContain('table inet weft-proxy {')
    expect(await agent.dumpPolicy({})).toContain('table inet weft-policy {')
    expect(await agent.dumpOverlay({})).toContain('table inet weft-overlay {')
    expect(await agent.dumpCni({})).toMatch(/^mode node-cidr\n/)
    expect(await agent.explainPolicy({ from: 'demo/client', to: 'n2', port: '80' })).toMatchObject({ allowed: true, traffic: 'TCP 80' })
    expect((await agent.policyMatrix({ namespaces: 'demo' })).pods).toContain('demo/client')
    expect(await agent.explainProxy({ to: '10.96.0.1:443' })).toContain('10.96.0.1:443 is a cluster IP of Service default/kubernetes')
    expect(await agent.proxyLeftovers({})).toBe('kube-proxy left nothing here\n')
    expect(await agent.takeOverProxy({})).toBe('kube-proxy left nothing here\n')
    await expect(agent.explainPolicy({ from: 'demo/nobody', to: 'n2' })).rejects.toThrow(/there is no pod demo\/nobody/)
  })

  test('the DNS server tells its zone, the controller its pools and that it leads', async () => {
    expect(await adminClient(dnsCalls, sandbox.handle.client.admin('dns', 'n1')).dumpZone({})).toContain('cluster.local.')
    const controller = adminClient(controllerCalls, sandbox.handle.client.admin('controllers', 'cluster'))
    expect(await controller.status({})).toMatchObject({ ready: true, identity: 'weft-controller', leading: true })
    expect(await controller.dumpPools({})).toEqual(expect.any(String))
  })
})
