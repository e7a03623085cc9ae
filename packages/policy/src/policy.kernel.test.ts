import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { protocolNumbers, toClusterNetworkPolicy, toNamespace, toNetworkPolicy, toPod } from '@weft/api'
import { parseIp } from '@weft/ip'
import { loadConfig, realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { Conntrack } from '@weft/netlink'
import { hasPrograms, sendPacket, sctpInit, TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { addTo, assign, baseChain, concat, diffTable, dnat, eq, formatTable, ip, map, meta, NftSocket, notrack, partsOf, rule, sctp, table, tcp, Transaction, udp } from '@weft/nftables'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { clusterPolicy, dnsObjects, namespace, networkPolicy, nodeName, pod, storesOf } from '../test/cluster.ts'
import { createPodNet, type PodNet, type TestPod } from '../test/pod-net.ts'
import { runPolicy, type RunningPolicy, stateOf } from '../test/running.ts'

const reason = whyNoKernelTests()
const golden = join(import.meta.dirname, '../test/golden')

describe.skipIf(reason !== undefined)(skippable('packets', reason), () => {
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
    const ifIndex = route.link('eth0').index
    for (const { address } of route.neighbours({ ifIndex })) route.deleteNeighbour({ address, ifIndex })
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

  test('NP-81: ping6 from another namespace ends within two seconds of a policy that allows the own one only', async () => {
    await using running = await start()
    expect(await net.a.pings(net.b.ips[1])).toBe(true)
    running.stores.policies.put(toNetworkPolicy(networkPolicy('y/own', { ingress: [{ from: [{ podSelector: {} }] }] })))
    await running.settled()
    expect(await within(2000, async () => !await net.a.pings(net.b.ips[1]))).toBe(true)
    expect(await net.host.pings(net.b.ips[1])).toBe(true)
  })

  test('NP-74: policies, labels of pods and of namespaces, pods and namespaces come, change and go while packets are sent', async () => {
    await using running = await start()
    const { stores } = running
    const after = async (change: () => void): Promise<boolean> => {
      change()
      await running.settled()
      return await reaches(net.a, net.b)
    }
    const from = (...peers: readonly object[]): (() => void) => () => stores.policies.put(toNetworkPolicy(networkPolicy('y/in', { ingress: [{ from: peers }] })))
    const podA = (labels: Readonly<Record<string, string>>): (() => void) => () => stores.pods.put(toPod(pod('x/a', { ips: net.a.ips, labels })))
    const namespaceX = (labels: Readonly<Record<string, string>>): (() => void) => () => stores.namespaces.put(toNamespace(namespace('x', labels)))
    const green = { namespaceSelector: { matchLabels: { team: 'green' } } }
    const steps: readonly (readonly [what: string, change: () => void, open: boolean])[] = [
      ['a policy is created', () => stores.policies.put(toNetworkPolicy(networkPolicy('y/in', { ingress: [] }))), false],
      ['it is updated', from(green), false],
      ['a namespace is labelled', namespaceX({ team: 'green' }), true],
      ['the policy asks for a pod', from({ ...green, podSelector: { matchLabels: { role: 'client' } } }), false],
      ['the pod is labelled', podA({ role: 'client' }), true],
      ['the label goes', podA({}), false],
      ['it comes back', podA({ role: 'client' }), true],
      ['the pod is deleted', () => stores.pods.remove('x/a'), false],
      ['it is created', podA({ role: 'client' }), true],
      ['the namespace is deleted', () => stores.namespaces.remove('x'), false],
      ['it is created', namespaceX({ team: 'green' }), true],
      ['its label goes', namespaceX({}), false],
      ['the policy is deleted', () => stores.policies.remove('y/in'), true],
    ]
    for (const [what, change, open] of steps) expect([what, await after(change)]).toEqual([what, open])
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

  test('NP-16, NP-82: a connection survives while some policy allows it, and carries nothing once none does; what is allowed anew goes on at once', async () => {
    await using running = await start(networkPolicy('y/in', { ingress: [{ from: [{ namespaceSelector: {} }] }] }))
    expect([await net.a.open(net.b.ips[0], 80), await net.a.talk(), await net.outside.open(net.a.ips[1], 80), await net.outside.talk()]).toEqual([true, true, true, true])
    running.stores.policies.remove('y/in')
    await running.settled()
    expect(await net.a.talk()).toBe(true)
    running.stores.policies.put(toNetworkPolicy(networkPolicy('y/in', { policyTypes: ['Ingress'] })))
    await running.settled()
    expect(await within(1000, async () => !await net.a.talk())).toBe(true)
    expect(await net.outside.talk()).toBe(true)
    running.stores.policies.put(toNetworkPolicy(networkPolicy('y/in', { ingress: [{ from: [{ namespaceSelector: {} }] }] })))
    await running.settled()
    // What was sent in vain is sent again by TCP.
    expect(await within(3000, () => net.a.talk())).toBe(true)
  })

  test('NP-16, CNP-12: a stream of answers to a client that says nothing ends within a second, by any kind of change, and others go on', async () => {
    await using running = await start(networkPolicy('x/out', { policyTypes: ['Egress'], egress: [{}] }), networkPolicy('y/in', { ingress: [{}] }))
    await Promise.all([net.a.run({ do: 'subscribe', to: net.b.ips[0], port: 82 }), net.outside.run({ do: 'subscribe', to: net.b.ips[1], port: 82 })])
    const goesOn = async (of: TestPod): Promise<boolean> => {
      const before = await of.run({ do: 'ticks' }) as number
      return await within(1500, async () => await of.run({ do: 'ticks' }) as number > before)
    }
    const ends = async (of: TestPod): Promise<number> => {
      const began = performance.now()
      for (let last = -1, now = await of.run({ do: 'ticks' }) as number; last !== now; now = await of.run({ do: 'ticks' }) as number) {
        last = now
        await new Promise((resolve) => setTimeout(resolve, 150))
        if (performance.now() - began > 5000) break
      }
      return performance.now() - began
    }
    expect([await goesOn(net.a), await goesOn(net.outside)]).toEqual([true, true])
    running.stores.policies.put(toNetworkPolicy(networkPolicy('y/in', { ingress: [{ from: [{ ipBlock: { cidr: '2001:db8:113::/48' } }] }] })))
    await running.settled()
    expect(await ends(net.a)).toBeLessThan(1500)
    expect(await goesOn(net.outside)).toBe(true)
    // A policy of the cluster, and a peer that leaves a set.
    running.stores.clusterPolicies[0].put(toClusterNetworkPolicy(clusterPolicy('deny', { tier: 'Admin', priority: 1, subject: { namespaces: { matchLabels: { team: 'y' } } }, ingress: [{ action: 'Deny', from: [{ namespaces: { matchLabels: { team: 'x' } } }] }] })))
    await running.settled()
    expect(await goesOn(net.outside)).toBe(true)
  })

  test('NP-3: ICMP errors about what was allowed come back under default deny', async () => {
    await using _ = await start(networkPolicy('x/deny', { policyTypes: ['Ingress', 'Egress'], egress: [{}] }))
    expect(await Promise.all(net.b.ips.map((ip) => net.a.run({ do: 'ask', to: ip, port: 999, timeoutMs: 2000 })))).toEqual(['ECONNREFUSED', 'ECONNREFUSED'])
  })

  test('NP-5, NP-83: pods on the host network are their node: reached under default deny of ingress, and never selected', async () => {
    await using _ = await start(networkPolicy('x/deny', { policyTypes: ['Ingress'] }), pod('x/server', { ips: net.host.ips, hostNetwork: true, labels: { app: 'server' } }))
    expect(await Promise.all([reaches(net.a, net.host), reaches(net.b, net.host), reaches(net.host, net.a)])).toEqual([true, true, true])
  })

  test('NP-2, NP-13: behind a Service policies are about the port of the pod', async () => {
    nft.commit(diffTable(undefined, table({
      name: 'proxy-like',
      chains: [baseChain('prerouting', { type: 'nat', hook: 'prerouting', priority: -100 }, [rule(eq(ip.daddr, '10.96.0.50'), eq(tcp.dport, 8080), dnat({ family: 'ip', to: parseIp(net.b.ips[0]), port: 81 }))])],
    })))
    await using running = await start(networkPolicy('y/in', { ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: 81 }] }] }), networkPolicy('x/out', { policyTypes: ['Egress'], egress: [{ to: [{ namespaceSelector: {} }], ports: [{ port: 81 }] }] }))
    expect(await net.a.reaches('10.96.0.50', 8080)).toBe(true)
    running.stores.policies.put(toNetworkPolicy(networkPolicy('x/out', { policyTypes: ['Egress'], egress: [{ ports: [{ port: 8080 }] }] })))
    await running.settled()
    expect(await net.a.reaches('10.96.0.50', 8080)).toBe(false)
    nft.commit(new Transaction({ family: 'inet', name: 'proxy-like' }).deleteTable())
  })

  test('NP-60, NP-61, NP-66: SCTP is a protocol like others', async () => {
    using inside = await NftSocket.open({ netns: net.b.namespace.path })
    // What is seen in the pod becomes an element.
    const seen = map('seen', { key: ['nf_proto', 'inet_service'], data: ['mark'], flags: ['dynamic'], size: 16 })
    const watcher = table({ name: 'seen', maps: [seen], chains: [baseChain('in', { type: 'filter', hook: 'prerouting', priority: -400 }, [rule(eq(meta.l4proto, protocolNumbers.SCTP), addTo(seen, concat(meta.nfproto, sctp.dport), { data: meta.mark }))])] })
    /** Ports that INIT came to, in both families. */
    const arrive = async (): Promise<readonly number[]> => {
      inside.commit(diffTable(inside.read('inet', 'seen'), table({ name: 'seen' })))
      inside.commit(diffTable(inside.read('inet', 'seen'), watcher))
      for (const to of net.b.ips) for (const port of [80, 81]) expect(await sendPacket(net.a.namespace.path, to, { protocol: protocolNumbers.SCTP, payload: sctpInit(40_000, port) })).toBe(true)
      const ports = inside.read('inet', 'seen')!.table.maps.flatMap(({ elements }) => elements.map(({ key }) => partsOf(key)[1] as number))
      return ports.toSorted((one, other) => one - other)
    }
    await using running = await start()
    expect(await arrive()).toEqual([80, 80, 81, 81])
    running.stores.policies.put(toNetworkPolicy(networkPolicy('y/in', { ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: 81, protocol: 'SCTP' }] }] })))
    await running.settled()
    // Its associations are those of before: they are judged anew soon.
    expect([await within(1000, async () => String(await arrive()) === '81,81'), await reaches(net.a, net.b, 81)]).toEqual([true, false])
    running.stores.policies.put(toNetworkPolicy(networkPolicy('y/in', { ingress: [{ ports: [{ port: 81 }] }] })))
    await running.settled()
    expect([await within(1000, async () => String(await arrive()) === ''), await net.a.reaches(net.b.ips[0], 81)]).toEqual([true, true])
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
})

describe.skipIf(reason !== undefined)(skippable('the table in the kernel', reason), () => {
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

  test('P10: names, labels and selectors of any characters, and ten thousand rules, are committed and read back', async () => {
    await using namespace_ = await TestNamespace.create()
    using nft = await NftSocket.open({ netns: namespace_.path })
    const odd = ['a"; flush ruleset', 'ü'.repeat(300), '\\', '${x} $(y)', 'line\nbreak', '\u0000zero', '👾', '# comment', 'a{b}c', '@net4', ''.padEnd(253, 'long-')]
    const policies = odd.map((name, index) => networkPolicy(`x/${name.replaceAll('/', '')}`, {
      podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { [name]: name } } }, { namespaceSelector: { matchExpressions: [{ key: name, operator: 'In', values: odd }] } }], ports: [{ port: 80 + index }] }],
    }))
    const many = networkPolicy('x/many', { ingress: Array.from({ length: 10_000 }, (_, index) => ({ from: [{ ipBlock: { cidr: `11.${index >> 8}.${index & 255}.0/24`, except: [`11.${index >> 8}.${index & 255}.7/32`] } }], ports: [{ port: 1 + index }] })) })
    const wanted = stateOf([namespace('x'), pod('x/a', { ips: ['10.244.1.2'] }), ...policies, many]).table()
    nft.commit(diffTable(undefined, wanted))
    expect(diffTable(nft.read('inet', 'weft-policy'), wanted).text).toBe('')
    expect(wanted.chains.find(({ comment }) => comment === 'x/many')?.rules).toHaveLength(1)
  })
})

async function within(ms: number, holds: () => Promise<boolean>): Promise<boolean> {
  const began = performance.now()
  do {
    if (await holds()) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  } while (performance.now() - began < ms)
  return false
}

/** nft lists sets, maps and elements in the order of its own hashing. */
function linesOf(text: string): readonly string[] {
  return text.split('\n').map((line) => line.replace(/elements = \{|[{},]/g, '').trim()).flatMap((line) => line.split(/\s{2,}/)).filter((line) => line !== '').sort()
}
