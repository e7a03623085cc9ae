import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type Ask, Asker, type Cluster, demoNamespace, type LoadReport, type Place, policyNamespace } from '@weft/checks'
import { expect, test } from 'vitest'
import { within } from './load.ts'
import { restartAgent } from './restart-agent.ts'

interface PolicyOptions {
  /** The cluster with the demo, once it runs. */
  readonly cluster: () => Cluster
  /** An agent has that long to come back, in milliseconds. */
  readonly restartMs: number
}

/** `guarded` and `visitor` are of one namespace, on the last node and on the first; `client` is of another, on the first. */
const client: Place = { kind: 'pod', namespace: demoNamespace, name: 'client' }
const visitor: Place = { kind: 'pod', namespace: policyNamespace, name: 'visitor' }
const httpPort = 8080
/** Of the agent of a node, one after the other. */
const kills = 4
const networkPolicies = `/apis/networking.k8s.io/v1/namespaces/${policyNamespace}/networkpolicies`
const clusterPolicies = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies'
const nameOf = (name: string): object => ({ matchLabels: { 'kubernetes.io/metadata.name': name } })

/** What users of policies count on, over real connections between pods of two nodes. */
export function enforcesOn({ cluster, restartMs }: PolicyOptions): void {
  const ask = (from: Place, question: Ask): Promise<Answer> => new Asker(cluster(), AbortSignal.timeout(60_000)).try(from, question)
  const reaches = async (from: Place, host: string): Promise<boolean> => (await ask(from, { kind: 'http', host, port: httpPort, path: '/hostname', timeoutMs: 700 })).ok
  const becomes = (want: readonly boolean[], look: () => Promise<readonly boolean[]>): Promise<boolean> => within(10_000, async () => String(await look()) === String(want))

  test('NP-80 a namespace that is labelled reaches a Service by its name, others do not', async () => {
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'guarded' }, spec: { selector: { app: 'guarded' }, ports: [{ port: httpPort, targetPort: 'http' }] } }
    const policy = networkPolicy('production', { podSelector: { matchLabels: { app: 'guarded' } }, ingress: [{ from: [{ namespaceSelector: { matchLabels: { purpose: 'production' } } }] }] })
    const name = `guarded.${policyNamespace}.svc.cluster.local`
    const label = async (value: string | null): Promise<unknown> => await cluster().kube.request('PATCH', `/api/v1/namespaces/${demoNamespace}`, { body: { metadata: { labels: { purpose: value } } }, contentType: 'application/merge-patch+json' })
    const both = async (): Promise<readonly boolean[]> => await Promise.all([client, visitor].map((from) => reaches(from, name)))
    try {
      await create(`/api/v1/namespaces/${policyNamespace}/services`, service)
      expect(await becomes([true, true], both), 'the Service answers both').toBe(true)
      await create(networkPolicies, policy)
      expect(await becomes([false, false], both), 'nobody is of production').toBe(true)
      await label('production')
      expect(await becomes([true, false], both), 'the labelled namespace gets through').toBe(true)
    } finally {
      await label(null)
      await remove(`${networkPolicies}/production`)
      await remove(`/api/v1/namespaces/${policyNamespace}/services/guarded`)
    }
  })

  test('CNP-2, CNP-21 Admin policies, NetworkPolicies and Baseline policies decide in their order', async () => {
    const host = await addressOf('guarded')
    const subject = { pods: { namespaceSelector: nameOf(policyNamespace), podSelector: { matchLabels: { app: 'guarded' } } } }
    const both = async (): Promise<readonly boolean[]> => await Promise.all([client, visitor].map((from) => reaches(from, host)))
    const ofAdmin = async (action: string): Promise<void> => await replace(clusterPolicies, clusterPolicy('e2e-admin', { tier: 'Admin', priority: 10, subject, ingress: [{ action, from: [{ namespaces: nameOf(demoNamespace) }] }] }))
    try {
      await create(clusterPolicies, clusterPolicy('e2e-baseline', { tier: 'Baseline', priority: 10, subject, ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }] }))
      expect(await becomes([false, false], both), 'Baseline denies where nobody else speaks').toBe(true)
      await create(networkPolicies, networkPolicy('open', { podSelector: { matchLabels: { app: 'guarded' } }, ingress: [{}] }))
      expect(await becomes([true, true], both), 'a NetworkPolicy is asked before it').toBe(true)
      await ofAdmin('Deny')
      expect(await becomes([false, true], both), 'an Admin policy before both').toBe(true)
      await ofAdmin('Pass')
      expect(await becomes([true, true], both), 'what it passes is the NetworkPolicy\'s').toBe(true)
      await remove(`${networkPolicies}/open`)
      expect(await becomes([false, false], both), 'and the Baseline\'s without one').toBe(true)
      await ofAdmin('Accept')
      expect(await becomes([true, false], both), 'unless it is accepted').toBe(true)
    } finally {
      for (const name of ['e2e-admin', 'e2e-baseline']) await remove(`${clusterPolicies}/${name}`)
      await remove(`${networkPolicies}/open`)
    }
  })

  test('NP-16, NP-82 a long connection ends when a policy forbids it, and one that stays allowed goes on', async () => {
    const host = await addressOf('guarded')
    const upload: Ask = { kind: 'upload', host, port: httpPort, bytes: 200_000, overMs: 8000, timeoutMs: 14_000 }
    try {
      const [forbidden, allowed] = [ask(client, upload), ask(visitor, upload)]
      await sleep(2000)
      await create(clusterPolicies, clusterPolicy('e2e-deny', { tier: 'Admin', priority: 10, subject: { namespaces: nameOf(policyNamespace) }, ingress: [{ action: 'Deny', from: [{ namespaces: nameOf(demoNamespace) }] }] }))
      // Others come and go meanwhile.
      await create(networkPolicies, networkPolicy('own', { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }))
      expect([(await allowed).ok, (await forbidden).error]).toEqual([true, 'TIMEOUT'])
    } finally {
      await remove(`${clusterPolicies}/e2e-deny`)
      await remove(`${networkPolicies}/own`)
    }
  }, 40_000)

  test('P4, P5 an agent that is killed again and again opens nothing and closes nothing', async () => {
    const host = await addressOf('guarded')
    try {
      await create(networkPolicies, networkPolicy('visitor', { podSelector: { matchLabels: { app: 'guarded' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'visitor' } } }] }] }))
      expect(await becomes([false, true], async () => await Promise.all([client, visitor].map((from) => reaches(from, host)))), 'the policy is in force').toBe(true)
      let isOver = false
      const killing = (async () => {
        for (let turn = 0; turn < kills; turn += 1) await restartAgent(cluster().nodes.at(-1)!.name, { cluster: cluster(), restartMs })
      })().finally(() => { isOver = true })
      // How long an agent is away depends on who starts it again: there is traffic until the last one is back, and a little longer.
      const trafficFrom = async (from: Place): Promise<{ readonly sent: number, readonly answered: number }> => {
        let [sent, answered] = [0, 0]
        do {
          const report = JSON.parse((await ask(from, { kind: 'load', protocol: 'tcp', host, port: httpPort, rate: 100, durationMs: 4000 })).answers[0]!) as LoadReport
          sent += report.sent
          answered += report.answered
        } while (!isOver)
        return { sent, answered }
      }
      const [stranger, guest] = await Promise.all([trafficFrom(client), trafficFrom(visitor), killing])
      expect([stranger.answered, guest.answered]).toEqual([0, guest.sent])
      expect(Math.min(stranger.sent, guest.sent)).toBeGreaterThanOrEqual(400)
    } finally {
      await remove(`${networkPolicies}/visitor`)
    }
  }, 60_000 + kills * restartMs)

  async function addressOf(name: string): Promise<string> {
    const { status } = await cluster().kube.request<{ readonly status: { readonly podIP: string } }>('GET', `/api/v1/namespaces/${policyNamespace}/pods/${name}`)
    return status.podIP
  }
  async function create(path: string, body: object): Promise<void> {
    await cluster().kube.request('POST', path, { body })
  }
  /** Creates it, or gives it another content. */
  async function replace(path: string, body: { readonly metadata: { readonly name: string }, readonly spec: object }): Promise<void> {
    const known = await cluster().kube.request<{ readonly metadata: object }>('GET', `${path}/${body.metadata.name}`).catch(() => undefined)
    if (known === undefined) await create(path, body)
    else await cluster().kube.request('PUT', `${path}/${body.metadata.name}`, { body: { ...known, spec: body.spec } })
  }
  async function remove(path: string): Promise<void> {
    await cluster().kube.request('DELETE', path).catch(() => undefined)
  }
}

function networkPolicy(name: string, spec: object): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name }, spec: { policyTypes: ['Ingress'], ...spec } }
}

function clusterPolicy(name: string, spec: object): { readonly metadata: { readonly name: string }, readonly spec: object } {
  return Object.assign({ apiVersion: 'policy.networking.k8s.io/v1alpha2', kind: 'ClusterNetworkPolicy' }, { metadata: { name }, spec })
}
