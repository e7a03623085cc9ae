import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { toNetworkPolicy, toPod } from '@weft/api'
import { loadConfig, realClock } from '@weft/daemon'
import { Conntrack } from '@weft/netlink'
import { hasPrograms, TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { assign, baseChain, diffTable, eq, formatTable, ip, NftSocket, notrack, rule, table, Transaction, udp } from '@weft/nftables'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { dnsObjects, namespace, networkPolicy, nodeName, pod, storesOf } from '../test/cluster.ts'
import { createPodNet, type PodNet, type TestPod } from '../test/pod-net.ts'
import { attachment, runPolicy, type RunningPolicy, stateOf } from '../test/running.ts'

const reason = whyNoKernelTests()
const named = (name: string, why = reason): string => `${name}${why === undefined ? '' : `: ${why}`}`
const golden = join(import.meta.dirname, '../test/golden')

describe.skipIf(reason !== undefined)(named('packets'), () => {
  let net: PodNet
  let nft: NftSocket
  let conntrack: Conntrack

  beforeAll(async () => {
    net = await createPodNet([80, 81, 82])
    nft = await NftSocket.open({ netns: net.node.path })
    conntrack = await Conntrack.open({ netns: net.node.path })
  })
  beforeEach(() => {
    nft.commit(diffTable(nft.read('inet', 'weft-policy'), table({ name: 'weft-policy' })))
    conntrack.flush()
  })
  afterAll(async () => {
    nft?.[Symbol.dispose]()
    conntrack?.[Symbol.dispose]()
    await net?.[Symbol.asyncDispose]()
  })

  function world(): readonly object[] {
    return [
      namespace('x', { team: 'x' }), namespace('y', { team: 'y' }), ...dnsObjects(['172.30.1.11'], ['10.96.0.10']),
      pod('x/a', { ips: net.a.ips, labels: { app: 'a' }, ports: [{ name: 'web', containerPort: 80 }] }),
      pod('y/b', { ips: net.b.ips, labels: { app: 'b' }, ports: [{ name: 'web', containerPort: 81 }] }),
    ]
  }

  async function start(...policies: readonly object[]): Promise<RunningPolicy<NftSocket>> {
    const running = runPolicy({ stores: storesOf([...world(), ...policies]), nft, podsOfNode: nodeName, flows: conntrack, time: realClock })
    await running.settled()
    return running
  }

  /** Both families, TCP and UDP: all must agree. */
  async function reaches(from: TestPod, to: TestPod, port = 80): Promise<boolean> {
    const results = await Promise.all(to.ips.flatMap((ip) => (['tcp', 'udp'] as const).map((protocol) => from.reaches(ip, port, protocol))))
    if (new Set(results).size !== 1) throw new Error(`Cannot tell: ${results.join()} of tcp4, udp4, tcp6, udp6`)
    return results[0]!
  }

  test('NP-1, NP-20, NP-23, NP-24, NP-47: a pod no policy selects is open, default deny closes it, each direction by itself', async () => {
    await using running = await start()
    expect(await Promise.all([reaches(net.a, net.b), reaches(net.b, net.a), reaches(net.outside, net.b)])).toEqual([true, true, true])
    running.stores.policies.put(toNetworkPolicy(networkPolicy('x/deny', { policyTypes: ['Ingress'] })))
    await running.settled()
    // NP-3, NP-59: answers to its own connections come back.
    expect(await Promise.all([reaches(net.b, net.a), reaches(net.outside, net.a), reaches(net.a, net.b)])).toEqual([false, false, true])
    running.stores.policies.put(toNetworkPolicy(networkPolicy('x/deny', { policyTypes: ['Egress'] })))
    await running.settled()
    expect(await Promise.all([reaches(net.b, net.a), reaches(net.a, net.b), reaches(net.a, net.outside), reaches(net.a, net.host)])).toEqual([true, false, false, false])
    running.stores.policies.remove('x/deny')
    await running.settled()
    expect(await reaches(net.a, net.b)).toBe(true)
  })

  test('NP-4, NP-79: the node reaches its pods whatever the policies say, and a pod itself', async () => {
    await using _ = await start(networkPolicy('x/deny', { policyTypes: ['Ingress', 'Egress'] }))
    expect(await Promise.all([reaches(net.host, net.a), reaches(net.a, net.a)])).toEqual([true, true])
  })

  test('NP-19: echo needs a rule without ports; IPv6 goes on working under default deny', async () => {
    await using running = await start(networkPolicy('y/allow', { ingress: [{ ports: [{ port: 80 }] }] }))
    expect([await net.a.pings(net.b.ips[0]), await net.a.pings(net.b.ips[1]), await net.host.pings(net.b.ips[1])]).toEqual([false, false, true])
    running.stores.policies.put(toNetworkPolicy(networkPolicy('y/allow', { ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'x' } } }] }] })))
    await running.settled()
    expect([await net.a.pings(net.b.ips[0]), await net.a.pings(net.b.ips[1]), await net.outside.pings(net.b.ips[1])]).toEqual([true, true, false])
    // The pod's entry for its gateway has to be asked for anew.
    const { route } = net.a.namespace
    for (const { address, ifIndex } of route.neighbours({ ifIndex: route.link('eth0').index })) route.deleteNeighbour({ address, ifIndex })
    running.stores.policies.put(toNetworkPolicy(networkPolicy('x/deny', { policyTypes: ['Ingress', 'Egress'], egress: [{ to: [{ namespaceSelector: {} }] }] })))
    await running.settled()
    expect(await net.a.pings(net.b.ips[1])).toBe(true)
  })

  test('NP-12, NP-36, NP-39, NP-41: ports, ranges and names', async () => {
    await using running = await start(networkPolicy('y/ports', { ingress: [{ ports: ['TCP', 'UDP'].map((protocol) => ({ protocol, port: 81, endPort: 82 })) }] }))
    expect(await Promise.all([80, 81, 82].map((port) => reaches(net.a, net.b, port)))).toEqual([false, true, true])
    running.stores.policies.put(toNetworkPolicy(networkPolicy('y/ports', { ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: 'web' }] }] })))
    await running.settled()
    expect(await Promise.all([net.a.reaches(net.b.ips[0], 80), net.a.reaches(net.b.ips[0], 81), net.a.reaches(net.b.ips[1], 81), net.a.reaches(net.b.ips[0], 81, 'udp'), net.outside.reaches(net.b.ips[0], 81)]))
      .toEqual([false, true, true, false, false])
    running.stores.policies.remove('y/ports')
    running.stores.policies.put(toNetworkPolicy(networkPolicy('x/out', { policyTypes: ['Egress'], egress: [{ ports: [{ port: 'web' }] }] })))
    await running.settled()
    expect(await Promise.all([net.a.reaches(net.b.ips[1], 80), net.a.reaches(net.b.ips[1], 81)])).toEqual([false, true])
  })

  test('NP-9, NP-56, NP-57: ipBlock and its exceptions, in both directions', async () => {
    const blocks = [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.244.1.0/24'] } }, { ipBlock: { cidr: '::/0', except: ['fd00:10:244::/48'] } }]
    await using running = await start(networkPolicy('y/in', { ingress: [{ from: blocks }] }))
    expect(await Promise.all([reaches(net.a, net.b), reaches(net.outside, net.b)])).toEqual([false, true])
    running.stores.policies.remove('y/in')
    running.stores.policies.put(toNetworkPolicy(networkPolicy('x/out', { policyTypes: ['Egress'], egress: [{ to: blocks }] })))
    await running.settled()
    // The node's own address is one like any other for egress.
    expect(await Promise.all([reaches(net.a, net.b), reaches(net.a, net.outside), reaches(net.a, net.host)])).toEqual([false, true, true])
  })

  test('NP-50, NP-51: both ends must allow, by selectors; NP-44: labels decide at once', async () => {
    const peers = (app: string): object => ({ namespaceSelector: {}, podSelector: { matchLabels: { app } } })
    await using running = await start(
      networkPolicy('x/out', { policyTypes: ['Egress'], egress: [{ to: [peers('b')] }] }), networkPolicy('y/in', { ingress: [{ from: [peers('friend')] }] }),
    )
    expect(await reaches(net.a, net.b)).toBe(false)
    running.stores.pods.put(toPod(pod('x/a', { ips: net.a.ips, labels: { app: 'friend' } })))
    await running.settled()
    expect(await Promise.all([reaches(net.a, net.b), reaches(net.outside, net.b), reaches(net.a, net.outside)])).toEqual([true, false, false])
  })

  test('NP-78: DNS that is rewritten without tracking passes by a rule for its labels, and only then', async () => {
    const vip = '10.96.0.10'
    const server = '172.30.1.11'
    // What weft-proxy does for UDP to the DNS Service.
    nft.commit(diffTable(undefined, table({
      name: 'proxy-like',
      chains: [
        baseChain('prerouting', { type: 'filter', hook: 'prerouting', priority: -300 }, [rule(eq(ip.daddr, vip), eq(udp.dport, 53), notrack, assign(ip.daddr, server), assign(udp.dport, 10_053))]),
        baseChain('output', { type: 'route', hook: 'output', priority: -300 }, [rule(eq(ip.saddr, server), eq(udp.sport, 10_053), notrack, assign(ip.saddr, vip), assign(udp.sport, 53))]),
      ],
    })))
    const dns = { to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }], ports: [{ port: 53, protocol: 'UDP' }] }
    await using running = await start(networkPolicy('x/deny', { policyTypes: ['Ingress', 'Egress'] }))
    expect(await net.a.reaches(vip, 53, 'udp')).toBe(false)
    running.stores.policies.put(toNetworkPolicy(networkPolicy('x/dns', { policyTypes: ['Egress'], egress: [dns] })))
    await running.settled()
    expect(await Promise.all([net.a.reaches(vip, 53, 'udp'), net.a.reaches(server, 80, 'udp'), reaches(net.a, net.b)])).toEqual([true, false, false])
    expect(conntrack.entries({ family: 4 }).filter(({ original }) => original.destinationPort === 10_053)).toEqual([])
    nft.commit(new Transaction({ family: 'inet', name: 'proxy-like' }).deleteTable())
  })

  test('NP-16, NP-82: a connection survives while some policy allows it, and carries nothing once none does', async () => {
    await using running = await start(networkPolicy('y/in', { ingress: [{ from: [{ namespaceSelector: {} }] }] }))
    expect([await net.a.open(net.b.ips[0], 80), await net.a.talk()]).toEqual([true, true])
    running.stores.policies.remove('y/in')
    await running.settled()
    expect(await net.a.talk()).toBe(true)
    running.stores.policies.put(toNetworkPolicy(networkPolicy('y/in', { policyTypes: ['Ingress'] })))
    await running.settled()
    expect(await net.a.talk()).toBe(false)
  })

  test('NP-42: policies that change a hundred times a second let nothing through that all of them forbid, and stop nothing that all allow', async () => {
    const forms = [80, 81].map((port) => networkPolicy('y/flip', { ingress: [{ ports: [{ port, protocol: 'UDP' }, { port: 82, protocol: 'UDP' }] }] }))
    await using running = await start(forms[0]!, networkPolicy('x/flip', { policyTypes: ['Ingress'] }))
    const before = await net.b.run({ do: 'count' }) as Readonly<Record<string, number>>
    const barredBefore = await net.a.run({ do: 'count' }) as Readonly<Record<string, number>>
    await Promise.all([net.a.run({ do: 'blast', to: net.b.ips[0], ports: [80, 81, 82] }), net.outside.run({ do: 'blast', to: net.a.ips[0], ports: [80] })])
    for (let turn = 0; turn < 100; turn += 1) {
      running.stores.policies.put(toNetworkPolicy(forms[turn % 2]!))
      running.stores.policies.put(toNetworkPolicy(networkPolicy('x/flip', turn % 2 === 0 ? { policyTypes: ['Ingress'] } : { ingress: [{ ports: [{ port: 81, protocol: 'UDP' }] }] })))
      await running.settled()
      await new Promise((resolve) => setTimeout(resolve, 8))
    }
    const [sent] = await Promise.all([net.a.run({ do: 'stop' }) as Promise<number>, net.outside.run({ do: 'stop' })])
    await new Promise((resolve) => setTimeout(resolve, 50))
    const after = await net.b.run({ do: 'count' }) as Readonly<Record<string, number>>
    const barredAfter = await net.a.run({ do: 'count' }) as Readonly<Record<string, number>>
    const got = (port: number): number => (after[port] ?? 0) - (before[port] ?? 0)
    expect(got(82)).toBe(sent)
    expect(got(80)).toBeGreaterThan(0)
    expect(got(81)).toBeGreaterThan(0)
    expect((barredAfter[80] ?? 0) - (barredBefore[80] ?? 0)).toBe(0)
  })

  test('NP-18: an address used anew a hundred times never has what its last owner might', async () => {
    const objects = [...world().filter((object) => !JSON.stringify(object).includes('"x/a"') && !JSON.stringify(object).includes('pod-x/a')),
      networkPolicy('x/closed', { podSelector: { matchLabels: { kind: 'closed' } }, policyTypes: ['Ingress', 'Egress'] }),
      networkPolicy('y/in', { ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { kind: 'open' } } }], ports: [{ port: 80, protocol: 'UDP' }] }] }),
      pod('x/open', { labels: { kind: 'open' } }), pod('x/closed', { labels: { kind: 'closed' } })]
    await using running = runPolicy({ stores: storesOf(objects), nft })
    await running.policy.cover(attachment('y/b', net.b.ips), running.signal)
    for (let turn = 0; turn < 100; turn += 1) {
      const [open, closed] = [attachment('x/open', net.a.ips, { containerId: `open-${turn}` }), attachment('x/closed', net.a.ips, { containerId: `closed-${turn}` })]
      await running.policy.cover(open, running.signal)
      if (turn % 50 === 0) expect(await net.a.reaches(net.b.ips[0], 80, 'udp')).toBe(true)
      running.stores.pods.put(toPod(pod('x/open', { labels: { kind: 'open' }, ips: net.a.ips })))
      await running.policy.uncover(open)
      await running.policy.cover(closed, running.signal)
      const before = await net.b.run({ do: 'count' })
      await net.a.run({ do: 'udp', to: net.b.ips[0], port: 80, timeoutMs: 3 })
      expect(await net.b.run({ do: 'count' })).toEqual(before)
      await running.policy.uncover(closed)
    }
  })
})

describe.skipIf(reason !== undefined)(named('the table in the kernel'), () => {
  const whole = z.strictObject({ items: z.array(z.looseObject({})) })

  test.each(readdirSync(golden))('golden %s is what nft lists and what we read back (promise 6)', async (name) => {
    await using namespace_ = await TestNamespace.create()
    using nft = await NftSocket.open({ netns: namespace_.path })
    const { items } = loadConfig(whole, readFileSync(join(golden, name, 'cluster.yaml'), 'utf8'), { source: name })
    const wanted = stateOf(items).table()
    nft.commit(diffTable(undefined, wanted))
    expect(diffTable(nft.read('inet', 'weft-policy'), wanted).text).toBe('')
    if (hasPrograms('nft')) expect(linesOf(namespace_.exec('nft', ['list', 'table', 'inet', 'weft-policy']))).toEqual(linesOf(formatTable(wanted)))
  })

  test('a policy of thousands of ports and networks is committed', async () => {
    await using namespace_ = await TestNamespace.create()
    using nft = await NftSocket.open({ netns: namespace_.path })
    const ports = Array.from({ length: 3000 }, (_, index) => ({ port: 1 + index * 3 }))
    const except = Array.from({ length: 3000 }, (_, index) => `10.${index >> 8}.${index & 255}.1/32`)
    const wanted = stateOf([namespace('x'), pod('x/a', { ips: ['10.244.1.2'] }), networkPolicy('x/big', { ingress: [{ ports, from: [{ ipBlock: { cidr: '10.0.0.0/8', except } }] }] })]).table()
    nft.commit(diffTable(undefined, wanted))
    expect(diffTable(nft.read('inet', 'weft-policy'), wanted).text).toBe('')
  })
})

/** nft lists sets, maps and elements in the order of its own hashing. */
function linesOf(text: string): readonly string[] {
  return text.split('\n').map((line) => line.replace(/elements = \{|[{},]/g, '').trim()).flatMap((line) => line.split(/\s{2,}/)).filter((line) => line !== '').sort()
}
