import { describe, expect, test } from 'vitest'
import { type AdminDoor, adminClient, adminRoutes, type AgentStatus, agentCalls, controllerCalls, dnsCalls, InvalidAnswerError, parseNodeName, type PolicyExplanation, proxyCalls } from '../index.ts'

const status: AgentStatus = { pid: 7, startedAt: 1_700_000_000_000, ready: false, waiting: ['nodes'], kernelWrites: { cni: 1, overlay: 2, proxy: 3, policy: 4 }, adopted: 5 }
const explanation: PolicyExplanation = {
  teller: parseNodeName('n1'), from: { ip: '10.244.0.5', words: 'pod shop/web', node: parseNodeName('n1') }, to: { ip: '203.0.113.9', words: '203.0.113.9, no pod and no node' }, traffic: 'TCP 80', allowed: true,
  sides: [{ direction: 'egress', allowed: true, words: 'no policy selects it', rules: [{ rule: 'NetworkPolicy shop/web ingress[0]', words: 'Accept from all', outcome: 'matched' }] }],
  kernel: { allowed: true, wanted: true, lines: [{ chain: 'forward', rule: 'accept', ran: true }], strange: [] },
}

/** Both sides of the contract, with a wire of text between them. */
function wired(answers: Parameters<typeof adminRoutes<typeof agentCalls>>[1]): { readonly door: AdminDoor, readonly asked: string[] } {
  const asked: string[] = []
  const routes = adminRoutes(agentCalls, answers)
  return {
    asked,
    async door({ method, path }) {
      asked.push(`${method} ${path}`)
      const url = new URL(path, 'http://admin')
      const answer = await routes[url.pathname]!(url, method === 'POST' ? {} : undefined)
      return typeof answer === 'string' ? answer : JSON.stringify(answer)
    },
  }
}

const unasked = (): never => { throw new Error('not asked here') }
const answers = {
  dumpProxy: () => 'table inet weft-proxy\n', explainProxy: ({ to, from }: { readonly to: string, readonly from?: string | undefined }) => `${to} from ${from ?? 'this node'}\n`,
  proxyLeftovers: () => 'left\n', takeOverProxy: () => 'removed\n', dumpPolicy: unasked, explainPolicy: () => explanation, policyMatrix: unasked, dumpOverlay: unasked, dumpCni: unasked, status: () => status,
}

describe('adminClient() and adminRoutes()', () => {
  test('a question and its answer arrive as they were given', async () => {
    const { door, asked } = wired(answers)
    const agent = adminClient(agentCalls, door)
    expect(await agent.status({})).toEqual(status)
    expect(await agent.explainPolicy({ from: 'shop/web', to: '203.0.113.9', port: '80' })).toEqual(explanation)
    expect(await agent.explainProxy({ to: '[fd00::1]:80' })).toBe('[fd00::1]:80 from this node\n')
    expect(await agent.explainProxy({ to: '10.96.0.1:80', from: '10.244.0.9' })).toBe('10.96.0.1:80 from 10.244.0.9\n')
    expect(await agent.proxyLeftovers({})).toBe('left\n')
    expect(await agent.takeOverProxy({})).toBe('removed\n')
    expect(asked).toEqual(['GET /status', 'GET /explain/policy?from=shop%2Fweb&to=203.0.113.9&port=80', 'GET /explain/proxy?to=%5Bfd00%3A%3A1%5D%3A80', 'GET /explain/proxy?to=10.96.0.1%3A80&from=10.244.0.9', 'GET /takeover/proxy', 'POST /takeover/proxy'])
  })

  test('an answer of another shape is refused with its field, and unknown fields are no harm to it', async () => {
    const answering = (value: unknown): Promise<AgentStatus> => adminClient(agentCalls, async () => typeof value === 'string' ? value : JSON.stringify(value)).status({})
    expect(await answering({ ...status, laterVersion: true })).toEqual(status)
    await expect(answering({ ...status, kernelWrites: { ...status.kernelWrites, proxy: 'many' } })).rejects.toThrow(/^Cannot use answer to "\/status": kernelWrites\.proxy: /)
    await expect(answering({ ...status, kernelWrites: 3 })).rejects.toBeInstanceOf(InvalidAnswerError)
    await expect(answering('<html>')).rejects.toThrow('Cannot use answer to "/status": it is no JSON')
    await expect(adminClient(controllerCalls, async () => JSON.stringify(status)).status({})).rejects.toThrow(/identity/)
    expect(await adminClient(dnsCalls, async () => '{}').dumpZone({})).toBe('{}')
  })

  test('a question with an unknown parameter, one given twice, or the wrong method is refused with what is wanted', () => {
    const routes = adminRoutes(agentCalls, answers)
    const ask = (path: string, body?: unknown): unknown => {
      const url = new URL(path, 'http://admin')
      return routes[url.pathname]!(url, body)
    }
    expect(() => ask('/status?verbose=1')).toThrow(new SyntaxError('Cannot ask "/status": parameter "verbose" is unknown'))
    expect(() => ask('/explain/proxy?to=1&to=2')).toThrow(new SyntaxError('Cannot ask "/explain/proxy": parameter "to" is given twice'))
    expect(() => ask('/explain/proxy')).toThrow(/^Cannot ask "\/explain\/proxy": parameter "to": /)
    expect(() => ask('/status', {})).toThrow(new RangeError('Cannot POST "/status": wanted GET'))
  })

  test('no two calls of a program share method and path', () => {
    for (const calls of [agentCalls, dnsCalls, controllerCalls, proxyCalls]) {
      const places = Object.values(calls).map(({ method, path }) => `${method} ${path}`)
      expect(new Set(places).size).toBe(places.length)
    }
  })
})
