import { setTimeout as sleep } from 'node:timers/promises'
import { type Pod, podResource } from '@weft/api'
import { type Ask, formatAsk } from '../ask.ts'
import { type Check, type CheckContext, ensure, NotTried } from '../check.ts'
import { demoNamespace, ports } from '../demo.ts'
import { eachFamily } from '../family.ts'
import { clientOf, clusterIpOf, ipOf, nodeOf, placeOf } from '../scene.ts'
import { pathTo } from './path.ts'

const zone = 'cluster.local'
/** Enough that one of three endpoints is left out once in ten million runs. */
const spreadCount = 40
/** How long a refusal may take, and how long we wait to see that there is none. */
const refusedMs = { limit: 500, waited: 3000 } as const
/** A kubelet takes seconds to start a pod. */
const replaceMs = 30_000

export const serviceChecks: readonly Check[] = [
  {
    name: 'bulk-across-router-and-service',
    promise: '1 MB over TCP and a 2,000-byte datagram, across the router and through a Service',
    prove: async (context) => eachFamily(context, async (family) => {
      const { client, webs, services } = await context.scene()
      const far = webs.at(-1)!
      const from = placeOf(client)
      const message = `echo ${'x'.repeat(2000)}`
      const targets = [
        { host: ipOf(far, family), tcp: ports.http, udp: ports.udp, what: 'the far pod' },
        { host: clusterIpOf(services.web, family), tcp: 80, udp: 90, what: 'the Service' },
      ]
      await Promise.all(targets.map(async ({ host, tcp, udp, what }) => {
        const [, [reply]] = await Promise.all([
          context.ask.from(from, { kind: 'upload', host, port: tcp, bytes: 1_000_000, timeoutMs: 10_000 }),
          context.ask.from(from, { kind: 'udp', host, port: udp, message, count: 1 }),
        ])
        ensure(reply?.length === 2000, `${what} echoed ${reply?.length ?? 0} bytes of 2000`)
      }))
      const path = await pathTo(context, nodeOf(context.cluster, client), far, family)
      return `1,000,000 bytes (SHA-256 equal) and 2,000 bytes to ${ipOf(far, family)} (${path}) and ${clusterIpOf(services.web, family)}`
    }),
  },
  {
    name: 'cluster-ip-by-name',
    promise: 'a Service by its name, spread over all endpoints',
    prove: async (context) => eachFamily(context, async (family) => {
      const { client, webs, services } = await context.scene()
      const name = `web.${demoNamespace}.svc.${zone}`
      const vip = clusterIpOf(services.web, family)
      const [resolved, answers] = await Promise.all([
        context.ask.from(placeOf(client), { kind: 'dns', name, type: family === 4 ? 'A' : 'AAAA' }),
        context.ask.from(placeOf(client), { kind: 'http', host: context.cluster.families.length === 1 ? `web.${demoNamespace}` : vip, port: 80, path: '/hostname', count: spreadCount }),
      ])
      ensure(resolved.length === 1 && resolved[0] === vip, `${name} resolved to ${resolved.join(', ') || 'nothing'}, wanted ${vip}`)
      const seen = count(answers)
      ensure(webs.every((pod) => seen.has(pod.name)) && seen.size === webs.length, `answers came from ${[...seen.keys()].join(', ')}, wanted ${webs.map((pod) => pod.name).join(', ')}`)
      return `${name} is ${vip}; ${spreadCount} requests fell ${[...seen.values()].join('/')}`
    }),
  },
  {
    name: 'hairpin',
    promise: 'a pod reaches itself through its Service',
    prove: async (context) => eachFamily(context, async (family) => {
      const { client, services } = await context.scene()
      const vip = clusterIpOf(services.client, family)
      const [answer] = await context.ask.from(placeOf(client), { kind: 'http', host: vip, port: 80, path: '/hostname' })
      ensure(answer === client.name, `${vip} answered "${answer}", wanted ${client.name}`)
      return `${client.name} -> ${vip}:80 -> ${client.name}`
    }),
  },
  {
    name: 'headless-and-srv',
    promise: 'a headless name gives the pods, SRV gives their ports',
    prove: async (context) => eachFamily(context, async (family) => {
      const { client, webs } = await context.scene()
      const name = `web-headless.${demoNamespace}.svc.${zone}`
      const wanted = webs.map((pod) => ipOf(pod, family)).sort()
      const [addresses, srv] = await Promise.all([
        context.ask.from(placeOf(client), { kind: 'dns', name, type: family === 4 ? 'A' : 'AAAA' }),
        context.ask.from(placeOf(client), { kind: 'dns', name: `_http._tcp.${name}`, type: 'SRV' }),
      ])
      ensure(addresses.toSorted().join() === wanted.join(), `${name} gave ${addresses.join(', ')}, wanted ${wanted.join(', ')}`)
      ensure(srv.length >= webs.length && srv.every((record) => record.split(' ')[2] === String(ports.http)), `SRV gave ${srv.join('; ') || 'nothing'}, wanted ${webs.length} targets on port ${ports.http}`)
      return `${name}: ${addresses.join(', ')}; _http._tcp: ${srv.length} targets on ${ports.http}`
    }),
  },
  {
    name: 'node-port-from-outside',
    promise: 'outside reaches the NodePort on every node',
    prove: async (context) => eachFamily(context, async (family) => {
      const { services } = await context.scene()
      outsideOf(context, family)
      const { nodePort } = services.web.ports.find(({ name }) => name === 'http')!
      ensure(nodePort !== undefined, 'Service web has no node port')
      const hit = await Promise.all(context.cluster.nodes.map(async (node) => {
        const answers = await context.ask.from({ kind: 'outside' }, { kind: 'http', host: ipOf(node, family), port: nodePort, path: '/hostname', count: 6 })
        return `${ipOf(node, family)}:${nodePort} (${new Set(answers).size} endpoints in ${answers.length})`
      }))
      return `from outside: ${hit.join(', ')}`
    }),
  },
  {
    name: 'udp-service',
    promise: 'a UDP Service answers, spread over its endpoints',
    prove: async (context) => eachFamily(context, async (family) => {
      const { client, services, webs } = await context.scene()
      const vip = clusterIpOf(services.web, family)
      const answers = await context.ask.from(placeOf(client), { kind: 'udp', host: vip, port: 90, message: 'hostname', count: spreadCount })
      const seen = count(answers)
      ensure(seen.size === webs.length, `replies came from ${[...seen.keys()].join(', ')}, wanted all of ${webs.map((pod) => pod.name).join(', ')}`)
      return `${vip}:90/UDP: ${spreadCount} datagrams fell ${[...seen.values()].join('/')}`
    }),
  },
  {
    name: 'masquerade-to-outside',
    promise: 'a pod reaches an address outside, masqueraded',
    prove: async (context) => eachFamily(context, async (family) => {
      const { client } = await context.scene()
      const outside = outsideOf(context, family)
      const [answer] = await context.ask.from(placeOf(client), { kind: 'http', host: outside, port: ports.http, path: '/clientip' })
      const node = context.cluster.nodes.find(({ name }) => name === client.nodeName)!
      ensure(clientOf(answer ?? '') === ipOf(node, family), `outside saw ${clientOf(answer ?? '')}, wanted the node's ${ipOf(node, family)}`)
      return `${ipOf(client, family)} -> ${outside}, which saw ${clientOf(answer!)} (${node.name})`
    }),
  },
  {
    name: 'no-endpoints-refuses',
    promise: 'a Service without endpoints refuses at once',
    prove: async (context) => eachFamily(context, async (family) => {
      const { webs, services } = await context.scene()
      const vip = clusterIpOf(services.nobody, family)
      // Not from the client: it meets itself through its Service meanwhile. Linux counts a packet that goes out where it came in as an
      // ICMPv6 redirect to its receiver, sent or not (ip6_forward), and then owes that pod no other ICMPv6 error for a moment.
      const from = webs[0]!
      const [tcp, udp] = await Promise.all([
        refusal(context, from, { kind: 'http', host: vip, port: 80, path: '/', timeoutMs: refusedMs.waited }),
        refusal(context, from, { kind: 'udp', host: vip, port: 90, message: 'hostname', timeoutMs: refusedMs.waited }),
      ])
      return `${vip}: 80/TCP refused after ${tcp} ms, 90/UDP after ${udp} ms`
    }),
  },
  {
    name: 'deleted-endpoint-stops',
    promise: 'a deleted endpoint stops receiving, the others go on',
    alone: true,
    prove: async (context) => {
      const { cluster, signal } = context
      const { client, webs } = await context.scene()
      const victim = webs.find(({ nodeName }) => nodeName !== client.nodeName)!
      await cluster.kube.request('DELETE', `/api/v1/namespaces/${demoNamespace}/pods/${victim.name}`, { signal })
      const evidence = await eachFamily(context, async (family) => stops(context, victim, family))
      await untilReplaced(context, victim)
      return evidence
    },
  },
]

/**
 * Asks where nobody serves. The limit lies below the second after which a lost first packet is sent again, so what is refused
 * within it was refused at once. A refusal that was late on a busy machine is asked for again, and the quickest of three counts; silence is none.
 *
 * @returns Milliseconds until it was refused.
 */
async function refusal({ ask }: CheckContext, from: Pod, question: Ask & { readonly kind: 'http' | 'udp' }): Promise<string> {
  let answer = await ask.try(placeOf(from), question)
  for (let again = 0; again < 2 && answer.error === 'REFUSED' && answer.ms >= refusedMs.limit; again++) answer = await ask.try(placeOf(from), question)
  const { error, ms } = answer
  ensure(error === 'REFUSED', `${formatAsk(question)} ended in ${error ?? 'an answer'}, wanted REFUSED`)
  ensure(ms < refusedMs.limit, `${formatAsk(question)} was refused after ${ms.toFixed(0)} ms, wanted less than ${refusedMs.limit}`)
  return ms.toFixed(1)
}

/** Requests that are under way while the change travels may still meet the victim, alive or gone; once one round does not, none may. */
async function stops(context: CheckContext, victim: Pod, family: 4 | 6): Promise<string> {
  const { client, services } = await context.scene()
  const host = clusterIpOf(services.web, family)
  const start = performance.now()
  for (;;) {
    const { ok, answers } = await context.ask.try(placeOf(client), { kind: 'http', host, port: 80, path: '/hostname', count: spreadCount, timeoutMs: 500 })
    if (ok && !answers.includes(victim.name)) return `${spreadCount} requests to ${host} after ${Math.round(performance.now() - start)} ms, none to ${victim.name}`
    ensure(performance.now() - start < 5000, `${victim.name} still receives, or requests fail, 5 s after its deletion`)
    await sleep(100, undefined, { signal: context.signal })
  }
}

/** What comes after this check finds the demo whole. */
async function untilReplaced({ cluster, signal }: CheckContext, victim: Pod): Promise<void> {
  const deadline = performance.now() + replaceMs
  for (;;) {
    const { items } = await cluster.kube.request<{ readonly items: readonly unknown[] }>('GET', `/api/v1/namespaces/${demoNamespace}/pods`, { query: { labelSelector: 'app=web' }, signal })
    if (items.map(podResource.trim).some(({ nodeName, name, ready, deleting }) => nodeName === victim.nodeName && name !== victim.name && ready && !deleting)) return
    ensure(performance.now() < deadline, `no pod took the place of ${victim.name} within ${replaceMs / 1000} s`)
    await sleep(100, undefined, { signal })
  }
}

/** The address of the machine outside. */
function outsideOf({ cluster }: CheckContext, family: 4 | 6): string {
  if (!cluster.outside.some((ip) => ip.family === family)) throw new NotTried(`no machine outside of this cluster is known that has an IPv${family} address`)
  return ipOf({ name: 'outside', ips: cluster.outside }, family)
}

function count(answers: readonly string[]): ReadonlyMap<string, number> {
  const seen = new Map<string, number>()
  for (const answer of answers) seen.set(answer, (seen.get(answer) ?? 0) + 1)
  return seen
}
