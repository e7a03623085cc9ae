import { setTimeout as sleep } from 'node:timers/promises'
import { type Check, type CheckContext, ensure } from '../check.ts'
import type { Place } from '../cluster.ts'
import { demoNamespace, type Manifest, policyNamespace, ports } from '../demo.ts'
import { eachFamily } from '../family.ts'
import { ipOf, placeOf } from '../scene.ts'

const path = `/apis/networking.k8s.io/v1/namespaces/${policyNamespace}/networkpolicies`

const policy = (name: string, spec: object): Manifest => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: policyNamespace }, spec: { ...spec } })

const denyIngress = policy('deny-ingress', { podSelector: { matchLabels: { app: 'guarded' } }, policyTypes: ['Ingress'] })
const allowVisitor = policy('allow-visitor', {
  podSelector: { matchLabels: { app: 'guarded' } },
  policyTypes: ['Ingress'],
  ingress: [{ from: [{ podSelector: { matchLabels: { app: 'visitor' } } }], ports: [{ protocol: 'TCP', port: 'http' }] }],
})
const denyEgress = policy('deny-egress', { podSelector: { matchLabels: { app: 'visitor' } }, policyTypes: ['Egress'] })
const allowDns = policy('allow-dns', {
  podSelector: { matchLabels: { app: 'visitor' } },
  policyTypes: ['Egress'],
  egress: [{
    to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } }, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }],
    ports: [{ protocol: 'UDP', port: 53 }, { protocol: 'TCP', port: 53 }],
  }],
})

/** One check changes what the other sees, so each keeps to its own pod: `guarded` for ingress, `visitor` for egress. */
export const policyChecks: readonly Check[] = [
  {
    name: 'default-deny-and-allow',
    promise: 'default deny closes, one allow opens',
    alone: true,
    prove: async (context) => {
      const { guarded, visitor, client } = await context.scene()
      const reach = (from: Place, family: 4 | 6) => context.ask.try(from, { kind: 'http', host: ipOf(guarded, family), port: ports.http, path: '/hostname', timeoutMs: 400 })
      return withPolicies(context, [denyIngress], async () => {
        const closedMs = await until(context, 'default deny to close', async () => everyFamily(context, async (family) => !(await reach(placeOf(visitor), family)).ok))
        await createPolicy(context, allowVisitor)
        try {
          const openMs = await until(context, 'the allow to open', async () => everyFamily(context, async (family) => (await reach(placeOf(visitor), family)).ok))
          const stranger = await everyFamily(context, async (family) => !(await reach(placeOf(client), family)).ok)
          ensure(stranger, `${demoNamespace}/${client.name} got through an allow that is not for it`)
          return `closed after ${closedMs} ms, opened for visitor after ${openMs} ms, still closed for ${demoNamespace}/${client.name}`
        } finally {
          await deletePolicy(context, allowVisitor)
        }
      })
    },
  },
  {
    name: 'egress-deny-keeps-dns',
    promise: 'under default-deny egress the usual allow of kube-dns lets names resolve',
    alone: true,
    prove: async (context) => {
      const { visitor, client } = await context.scene()
      const from = placeOf(visitor)
      return withPolicies(context, [denyEgress, allowDns], async () => {
        await until(context, 'default-deny egress to close', async () =>
          everyFamily(context, async (family) => !(await context.ask.try(from, { kind: 'http', host: ipOf(client, family), port: ports.http, path: '/', timeoutMs: 400 })).ok))
        return eachFamily(context, async (family) => {
          const name = `web.${demoNamespace}.svc.cluster.local`
          const answers = await context.ask.from(from, { kind: 'dns', name, type: family === 4 ? 'A' : 'AAAA' })
          ensure(answers.length > 0, `${name} did not resolve`)
          return `${visitor.name} resolves ${name} to ${answers.join(', ')} and cannot reach ${ipOf(client, family)}`
        })
      })
    },
  },
]

async function withPolicies(context: CheckContext, policies: readonly Manifest[], prove: () => Promise<string>): Promise<string> {
  try {
    for (const each of policies) await createPolicy(context, each)
    return await prove()
  } finally {
    for (const each of policies) await deletePolicy(context, each)
  }
}

async function createPolicy({ cluster, signal }: CheckContext, each: Manifest): Promise<void> {
  await cluster.kube.request('POST', path, { body: each, signal })
}

async function deletePolicy({ cluster }: CheckContext, each: Manifest): Promise<void> {
  await cluster.kube.request('DELETE', `${path}/${each.metadata.name}`)
}

async function everyFamily({ cluster }: CheckContext, holds: (family: 4 | 6) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(cluster.families.map(holds))).every(Boolean)
}

/** Tries until it holds; resolves to how long that took, in milliseconds. */
async function until({ signal }: CheckContext, what: string, holds: () => Promise<boolean>): Promise<number> {
  const start = performance.now()
  while (!(await holds())) {
    ensure(performance.now() - start < 5000, `waited 5 s for ${what}`)
    await sleep(20, undefined, { signal })
  }
  return Math.round(performance.now() - start)
}
