import { ctMarks, parsePodUid, toClusterNetworkPolicy, toNamespace, toNetworkPolicy, toPod } from '@weft/api'
import { diffTable, formatTable, NftError } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { Store } from '@weft/kube'
import { describe, expect, test } from 'vitest'
import { clusterPolicy, namespace, networkPolicy, nodeName, pod, storesOf } from '../test/cluster.ts'
import { attachment, kernelOf, reach, runPolicy, stateOf } from '../test/running.ts'
import { PolicyError } from './policy-error.ts'

const a = '10.244.1.2'
const client = '10.244.2.9'
const denyAll = networkPolicy('x/deny', { policyTypes: ['Ingress', 'Egress'] })
const world = [namespace('x'), pod('x/a', { ips: [a] })]

describe('cover()', () => {
  test('P4, NP-17: resolves when the filter is in the kernel, not before', async () => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf([...world, denyAll]), nft })
    await running.settled()
    expect(reach(nft, client, a)).toBe('accept')
    await running.policy.cover(attachment('x/a', [a]), running.signal)
    expect([reach(nft, client, a), reach(nft, a, client)]).toEqual(['drop', 'drop'])
  })

  test('P4: fails when the API does not tell of the pod, or tells of an earlier one of that name', async () => {
    await using running = runPolicy({ stores: storesOf([namespace('x'), pod('x/a', { uid: 'earlier', ips: [a] })]), nft: new FakeNft() })
    for (const key of ['x/a', 'x/never']) {
      const late = new AbortController()
      const covered = running.policy.cover(attachment(key, [a]), late.signal)
      late.abort(new Error('deadline'))
      await expect(covered).rejects.toThrow(expect.objectContaining({ name: 'PolicyError', code: 'ERR_POLICY_POD_UNKNOWN', retryable: true }))
    }
  })

  test('P4: knows a static pod by its mirror, whose uid is another', async () => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf([namespace('x'), pod('x/a', { uid: 'mirror', staticUid: 'of-the-file' }), denyAll]), nft })
    await running.policy.cover(attachment('x/a', [a], { uid: parsePodUid('of-the-file') }), running.signal)
    expect(reach(nft, client, a)).toBe('drop')
  })

  test('P4: goes on when the API tells of the pod later', async () => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf([namespace('x'), denyAll]), nft })
    const covered = running.policy.cover(attachment('x/a', [a]), running.signal)
    running.stores.pods.put(toPod(pod('x/a', { ips: [] })))
    await covered
    expect(reach(nft, client, a)).toBe('drop')
  })

  describe('of a pod that the watch told of before the policies that were there first', () => {
    const young = { ...pod('x/a', {}), metadata: { ...(pod('x/a', {}) as { readonly metadata: object }).metadata, resourceVersion: '70' } }

    test('P4, NP-17: waits until they are here', async () => {
      const nft = new FakeNft()
      const stores = storesOf([namespace('x'), young])
      const asked: string[] = []
      const came = Promise.withResolvers<void>()
      await using running = runPolicy({ stores, nft, catchUp: async (of) => {
        asked.push(of)
        await came.promise
        return asked.length === 1 ? '75' : '80'
      } })
      await running.settled()
      let isCovered = false
      const covered = running.policy.cover(attachment('x/a', [a]), running.signal).then(() => { isCovered = true })
      await running.settled()
      expect([asked, isCovered]).toEqual([['x'], false])
      stores.policies.put(toNetworkPolicy(denyAll))
      came.resolve()
      await covered
      expect(reach(nft, client, a)).toBe('drop')
      // One that is not younger than the answer asks nobody; a younger one does.
      for (const [name, resourceVersion] of [['b', '75'], ['c', '76']] as const) {
        const found = pod(`x/${name}`, {}) as { readonly metadata: object }
        stores.pods.put(toPod({ ...found, metadata: { ...found.metadata, resourceVersion } }))
        const next = running.policy.cover(attachment(`x/${name}`, [`10.244.1.1${resourceVersion}`]), running.signal)
        await running.clock.advance(100)
        await next
      }
      expect(asked).toEqual(['x', 'x'])
    })

    test('P4: asks when the watch tells of the pod, so its runtime need not wait; later versions of the pod are of no account', async () => {
      const asked: string[] = []
      await using running = runPolicy({ stores: storesOf([namespace('x')]), nft: new FakeNft(), catchUp: async (of) => {
        asked.push(of)
        return '71'
      } })
      await running.settled()
      running.stores.pods.put(toPod(young))
      await running.settled()
      expect(asked).toEqual(['x'])
      running.stores.pods.put(toPod({ ...young, metadata: { ...young.metadata, resourceVersion: '99' } }))
      await running.policy.cover(attachment('x/a', [a]), running.signal)
      expect(asked).toEqual(['x'])
    })

    test('P4: fails, to be tried again, when nobody can tell; a pod that is known for long asks nobody', async () => {
      await using running = runPolicy({ stores: storesOf([namespace('x'), young]), nft: new FakeNft(), catchUp: () => Promise.reject(new Error('no API server')) })
      await running.settled()
      await expect(running.policy.cover(attachment('x/a', [a]), running.signal)).rejects.toMatchObject({ code: 'ERR_POLICY_BEHIND', retryable: true })
      await running.clock.advance(10_000)
      await running.policy.cover(attachment('x/a', [a]), running.signal)
    })
  })

  test('P4: fails while the kernel does not take the filter', async () => {
    const nft = new FakeNft()
    nft.commit = () => {
      throw new Error('the kernel refused')
    }
    await using running = runPolicy({ stores: storesOf([...world, denyAll]), nft })
    const late = new AbortController()
    const covered = running.policy.cover(attachment('x/a', [a]), late.signal)
    late.abort()
    await expect(covered).rejects.toBeInstanceOf(PolicyError)
    await expect(covered).rejects.toMatchObject({ code: 'ERR_POLICY_NOT_COMMITTED' })
  })

  test('two sandboxes of one pod are both covered until their links are gone', async () => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf([...world, denyAll]), nft })
    await running.policy.cover(attachment('x/a', [a], { containerId: 'old' }), running.signal)
    await running.policy.cover(attachment('x/a', ['10.244.1.3'], { containerId: 'new' }), running.signal)
    expect([reach(nft, client, a), reach(nft, client, '10.244.1.3')]).toEqual(['drop', 'drop'])
    await running.policy.uncover(attachment('x/a', [a], { containerId: 'old' }))
    expect([reach(nft, client, a), reach(nft, client, '10.244.1.3')]).toEqual(['accept', 'drop'])
  })

  test('NP-17: a pod counts as peer by the address it was wired with, before the API knows it', async () => {
    const nft = new FakeNft()
    const allow = networkPolicy('x/allow', { ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }] }] })
    await using running = runPolicy({ stores: storesOf([...world, allow, pod('x/c', { labels: { app: 'client' } })]), nft })
    await running.policy.cover(attachment('x/a', [a]), running.signal)
    await running.policy.cover(attachment('x/c', ['10.244.1.3']), running.signal)
    expect(reach(nft, '10.244.1.3', a)).toBe('accept')
  })
})

describe('uncover()', () => {
  test('NP-18: the next pod with the address has its own policies and its own peers', async () => {
    const nft = new FakeNft()
    const stores = storesOf([
      namespace('x'), namespace('y'), pod('x/a', { ips: [a], labels: { app: 'client' } }), pod('y/server', { ips: ['10.244.1.9'] }), pod('y/b', {}), denyAll,
      networkPolicy('y/from-clients', { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'client' } } }] }] }),
    ])
    await using running = runPolicy({ stores, nft })
    await running.policy.cover(attachment('x/a', [a]), running.signal)
    await running.policy.cover(attachment('y/server', ['10.244.1.9']), running.signal)
    stores.policies.remove('x/deny')
    await running.settled()
    expect(reach(nft, a, '10.244.1.9')).toBe('accept')
    await running.policy.uncover(attachment('x/a', [a]))
    // The API still shows the old pod, with the address.
    await running.policy.cover(attachment('y/b', [a]), running.signal)
    expect(reach(nft, a, '10.244.1.9')).toBe('drop')
  })

  test('NP-18: who has come counts, not who leaves; who is wired here counts, whatever the API says of others', async () => {
    const nft = new FakeNft()
    const from = networkPolicy('x/from', { podSelector: { matchLabels: { app: 'server' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }] }] })
    const stores = storesOf([
      namespace('x'), from, pod('x/server', { ips: [a], labels: { app: 'server' } }),
      pod('x/leaves', { ips: ['10.244.2.2'], labels: { app: 'other' }, deleting: true }), pod('x/came', { ips: ['10.244.2.2'], labels: { app: 'client' } }),
      pod('x/elsewhere', { ips: ['10.244.1.3'], labels: { app: 'other' } }), pod('x/here', { labels: { app: 'client' } }),
    ])
    await using running = runPolicy({ stores, nft })
    await running.policy.cover(attachment('x/server', [a]), running.signal)
    await running.policy.cover(attachment('x/here', ['10.244.1.3']), running.signal)
    expect([reach(nft, '10.244.2.2', a), reach(nft, '10.244.1.3', a)]).toEqual(['accept', 'accept'])
  })

  test('a pod that left the API keeps its policies until its link is gone', async () => {
    const nft = new FakeNft()
    const stores = storesOf([...world, networkPolicy('x/deny', { podSelector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] } })])
    await using running = runPolicy({ stores, nft })
    await running.policy.cover(attachment('x/a', [a]), running.signal)
    stores.pods.remove('x/a')
    stores.pods.put(toPod(pod('x/a', { uid: 'next', labels: { app: 'next' } })))
    await running.settled()
    expect(reach(nft, client, a)).toBe('drop')
    await running.policy.uncover(attachment('x/a', [a]))
    expect(reach(nft, client, a)).toBe('accept')
  })

  test('NP-18: an address that two attachments claim is the later one\'s, and stays its own when the earlier one goes', async () => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf([...world, namespace('y'), denyAll, pod('y/b', {})]), nft })
    await running.policy.cover(attachment('y/b', [a]), running.signal)
    await running.policy.cover(attachment('x/a', [a]), running.signal)
    expect(reach(nft, client, a)).toBe('drop')
    await running.policy.uncover(attachment('y/b', [a]))
    expect(reach(nft, client, a)).toBe('drop')
  })

  test('NP-18: deletion that is asked for decides whose an address is', async () => {
    const nft = new FakeNft()
    const from = networkPolicy('x/from', { podSelector: { matchLabels: { app: 'server' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }] }] })
    const other = { ips: [client], labels: { app: 'other' } }
    const stores = storesOf([namespace('x'), from, pod('x/server', { ips: [a], labels: { app: 'server' } }), pod('x/old', other), pod('x/new', { ips: [client], labels: { app: 'client' } })])
    await using running = runPolicy({ stores, nft, podsOfNode: nodeName })
    await running.settled()
    expect(reach(nft, client, a)).toBe('drop')
    stores.pods.put(toPod(pod('x/old', { ...other, deleting: true })))
    await running.settled()
    expect(reach(nft, client, a)).toBe('accept')
  })

  test('of what was never covered changes nothing', async () => {
    await using running = runPolicy({ stores: storesOf(world), nft: new FakeNft() })
    await running.settled()
    await running.policy.uncover(attachment('x/a', [a]))
    expect(running.nft.commits).toBe(1)
  })
})

describe('adopt()', () => {
  const before = [...world, denyAll]

  test('P5: a restart writes nothing', async () => {
    const nft = new FakeNft()
    {
      await using first = runPolicy({ stores: storesOf(before), nft })
      await first.policy.cover(attachment('x/a', [a]), first.signal)
    }
    const { commits } = nft
    await using second = runPolicy({ stores: storesOf(before), nft, adopt: [attachment('x/a', [a])] })
    await second.settled()
    expect([nft.commits - commits, second.policy.writes]).toEqual([0, 0])
  })

  test('P4, P6: until the API has told everything the kernel keeps what it has', async () => {
    const nft = kernelOf(stateOf(before))
    const stores = { ...storesOf([]), policies: new Store<ReturnType<typeof toNetworkPolicy>>() }
    await using running = runPolicy({ stores, nft, adopt: [attachment('x/a', [a])] })
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    expect(running.policy.ready()).toEqual({ ready: false, waiting: ['policies in the kernel'] })
    expect(reach(nft, client, a)).toBe('drop')
  })

  test('P4: a pod that the API does not know is closed, and opens when it becomes known', async () => {
    const nft = new FakeNft()
    const stores = storesOf([namespace('x')])
    await using running = runPolicy({ stores, nft, adopt: [attachment('x/a', [a])] })
    await running.settled()
    expect([reach(nft, client, a), reach(nft, a, client)]).toEqual(['drop', 'drop'])
    expect(await running.registry.metrics()).toContain('weft_policy_unknown_pods 1')
    stores.pods.put(toPod(pod('x/a', { ips: [a] })))
    await running.settled()
    expect([reach(nft, client, a), reach(nft, a, client)]).toEqual(['accept', 'accept'])
  })
})

describe('a policy that goes', () => {
  test('NP-55: opens its pods', async () => {
    const nft = new FakeNft()
    const stores = storesOf([...world, denyAll])
    await using running = runPolicy({ stores, nft, podsOfNode: nodeName })
    await running.settled()
    expect(reach(nft, client, a)).toBe('drop')
    stores.policies.remove('x/deny')
    await running.settled()
    expect(reach(nft, client, a)).toBe('accept')
  })

  test('CVE-2024-7598: stays in force while its namespace is being deleted and its pods are there', async () => {
    const nft = new FakeNft()
    const stores = storesOf([...world, denyAll])
    await using running = runPolicy({ stores, nft })
    await running.policy.cover(attachment('x/a', [a]), running.signal)
    stores.namespaces.put(toNamespace(namespace('x', {}, true)))
    stores.policies.remove('x/deny')
    await running.settled()
    expect(reach(nft, client, a)).toBe('drop')
    stores.pods.remove('x/a')
    stores.namespaces.remove('x')
    await running.settled()
    expect(reach(nft, client, a)).toBe('drop')
    await running.policy.uncover(attachment('x/a', [a]))
    expect(reach(nft, client, a)).toBe('accept')
    expect(running.policy.dump()).toBe(formatTable(stateOf([]).table()))
  })

  test.each([[true, 'drop'], [false, 'accept']] as const)('CVE-2024-7598: that its namespace is being deleted (%s) is asked before it is forgotten, for its watch may be behind', async (deleting, verdict) => {
    const nft = new FakeNft()
    const stores = storesOf([...world, denyAll, networkPolicy('x/more', {})])
    const asked: string[] = []
    await using running = runPolicy({ stores, nft, adopt: [attachment('x/a', [a])], catchUp: async (name) => {
      asked.push(name)
      await Promise.resolve()
      stores.namespaces.put(toNamespace(namespace('x', {}, deleting)))
      return '1'
    } })
    await running.settled()
    for (const key of ['x/deny', 'x/more']) stores.policies.remove(key)
    await running.settled()
    await running.settled()
    expect([asked, reach(nft, client, a)]).toEqual([['x'], verdict])
  })

  test.each([['is being deleted', namespace('x', {}, true)], ['is gone', undefined]])('CVE-2024-7598: its pods are closed by an agent that starts when it is gone and its namespace %s', async (_, left) => {
    const nft = new FakeNft()
    const both = [attachment('x/a', [a]), attachment('x/open', ['10.244.1.3'])]
    const pods = [pod('x/a', { ips: [a], labels: { app: 'a' } }), pod('x/open', { ips: ['10.244.1.3'] })]
    const inOfA = networkPolicy('x/in', { podSelector: { matchLabels: { app: 'a' } }, ingress: [{ ports: [{ port: 80 }] }] })
    {
      await using first = runPolicy({ stores: storesOf([namespace('x'), ...pods, inOfA]), nft, adopt: both })
      await first.settled()
      expect([reach(nft, client, a, 80), reach(nft, client, a, 81)]).toEqual(['accept', 'drop'])
    }
    for (let start = 0; start < 2; start += 1) {
      await using next = runPolicy({ stores: storesOf([...(left === undefined ? [] : [left]), ...pods]), nft, adopt: both })
      await next.settled()
      // What it may have allowed nobody knows; where it said nothing, nothing changes.
      expect([reach(nft, client, a, 80), reach(nft, client, a, 81), reach(nft, a, client), reach(nft, client, '10.244.1.3')]).toEqual(['drop', 'drop', 'accept', 'accept'])
      // The kubelet's last words about it change nothing.
      next.stores.pods.put(toPod(pod('x/a', { ips: [a], labels: { app: 'a' }, deleting: true })))
      await next.settled()
      expect(reach(nft, client, a, 80)).toBe('drop')
    }
    {
      await using again = runPolicy({ stores: storesOf([...(left === undefined ? [] : [left]), ...pods]), nft, adopt: both })
      await again.settled()
      again.stores.namespaces.put(toNamespace(namespace('x')))
      await again.settled()
      expect(reach(nft, client, a, 80), 'the namespace was made anew').toBe('accept')
    }
    await using last = runPolicy({ stores: storesOf([namespace('x'), ...pods]), nft, adopt: both })
    await last.settled()
    expect(reach(nft, client, a, 81)).toBe('accept')
  })

  test('CVE-2024-7598: is gone with a namespace that was made anew', async () => {
    const nft = new FakeNft()
    const stores = storesOf([...world, denyAll])
    await using running = runPolicy({ stores, nft, podsOfNode: nodeName })
    stores.namespaces.put(toNamespace(namespace('x', {}, true)))
    stores.policies.remove('x/deny')
    stores.namespaces.put(toNamespace(namespace('x')))
    await running.settled()
    expect(reach(nft, client, a)).toBe('accept')
  })
})

describe('connections', () => {
  test('NP-3, NP-16, CNP-12: answers pass; what the client sends is judged anew when policies change, and then answers end with it', () => {
    const open = kernelOf(stateOf([...world, networkPolicy('x/allow', { policyTypes: ['Ingress', 'Egress'], ingress: [{ ports: [{ port: 80 }] }] })]))
    const first = open.trace({ saddr: client, daddr: a, sport: 999, dport: 80, iif: 'vxlan.weft' })
    expect(first.verdict).toBe('accept')
    const connection = first.connection!
    expect(connection.mark).toBe(ctMarks.allowed)
    const answer = { saddr: a, daddr: client, sport: 80, dport: 999, iif: 'weft1' }
    expect(open.trace(answer, { connection }).verdict).toBe('accept')
    expect(open.trace({ saddr: client, daddr: a, protocol: 'icmp', icmpType: 'destination-unreachable', iif: 'vxlan.weft', ctState: 'related' }).verdict).toBe('accept')
    const closed = kernelOf(stateOf([...world, denyAll]))
    const more = { saddr: client, daddr: a, sport: 999, dport: 80, iif: 'vxlan.weft', tcpFlags: ['ack'] }
    const marked = (mark: number): NonNullable<typeof connection> => ({ ...connection, mark })
    expect(closed.trace(more, { connection: marked(ctMarks.pending) }).verdict).toBe('drop')
    expect([ctMarks.pending, ctMarks.denied].map((mark) => closed.trace(answer, { connection: marked(mark) }).verdict)).toEqual(['accept', 'drop'])
    // Denied once is not for ever.
    expect(open.trace(more, { connection: marked(ctMarks.denied) }).connection?.mark).toBe(ctMarks.allowed)
  })

  test('NP-16: bits of others in the mark of a connection stay', () => {
    const open = kernelOf(stateOf([...world, networkPolicy('x/allow', { ingress: [{}] })]))
    const { connection } = open.trace({ saddr: client, daddr: a, sport: 999, dport: 80, iif: 'vxlan.weft' })
    const foreign = { ...connection!, mark: 0xffff_cfff }
    expect(open.trace({ saddr: client, daddr: a, sport: 999, dport: 80, iif: 'vxlan.weft' }, { connection: foreign }).connection?.mark).toBe(0xffff_dfff)
  })

  test('P8: the bit of the packet\'s mark that egress sets is gone behind it, bits of others stay, and whoever sets it before opens nothing', () => {
    const out = (...rules: readonly object[]): FakeNft => kernelOf(stateOf([...world, networkPolicy('x/out', { policyTypes: ['Egress'], egress: rules }), networkPolicy('x/more', { policyTypes: ['Egress'], egress: [{ ports: [{ port: 443 }] }] })]))
    const send = (nft: FakeNft, mark: number): readonly [string, number] => {
      const { verdict, packet } = nft.trace({ saddr: a, daddr: client, dport: 80, sport: 999, iif: 'weft1', mark })
      return [verdict, packet.mark]
    }
    const open = out({ ports: [{ port: 80 }] })
    expect([send(open, 0), send(open, 0xffff_ffff)]).toEqual([['accept', 0], ['accept', 0xffff_efff]])
    expect(send(out(), 0xffff_ffff)[0]).toBe('drop')
    // Of a pod without egress policies nothing is touched.
    expect(send(kernelOf(stateOf(world)), 0xffff_ffff)).toEqual(['accept', 0xffff_ffff])
  })

  test('NP-4: a pod always reaches itself, also through a Service', () => {
    expect(reach(kernelOf(stateOf([...world, denyAll])), a, a)).toBe('accept')
  })

  test('NP-19: neighbour discovery passes to the node, echo does not', () => {
    const nft = kernelOf(stateOf([namespace('x'), pod('x/a', { ips: ['fd00:10:244:1::2'] }), denyAll]))
    const send = (icmpType: string): string => nft.trace({ saddr: 'fd00:10:244:1::2', daddr: 'fd00:172:30:1::11', protocol: 'icmpv6', icmpType, iif: 'weft1' }, { local: ['fd00:172:30:1::11'] }).verdict
    expect([send('nd-neighbor-solicit'), send('nd-neighbor-advert'), send('echo-request')]).toEqual(['accept', 'accept', 'drop'])
  })
})

describe('changes', () => {
  test('NP-18: a port that only one of two pods at an address calls so is not open by its name', async () => {
    const named = (key: string, name: string): object => pod(key, { ips: [client], node: 'node-2', ports: [{ name, containerPort: 80 }, { name: 'both', containerPort: 81 }] })
    const nft = new FakeNft()
    const objects = [...world, named('x/one', 'web'), named('x/other', 'api'), networkPolicy('x/out', { policyTypes: ['Egress'], egress: [{ ports: [{ port: 'web' }, { port: 'both' }] }] })]
    await using running = runPolicy({ stores: storesOf(objects), nft, podsOfNode: nodeName })
    await running.settled()
    expect([reach(nft, a, client, 80), reach(nft, a, client, 81)]).toEqual(['drop', 'accept'])
    running.stores.pods.remove('x/other')
    await running.settled()
    expect(reach(nft, a, client, 80)).toBe('accept')
  })

  test('P5: a commit whose answer was lost is found done', async () => {
    const nft = new FakeNft()
    const stores = storesOf([...world, denyAll])
    await using running = runPolicy({ stores, nft, podsOfNode: nodeName })
    await running.settled()
    const commit = nft.commit.bind(nft)
    nft.commit = (transaction) => {
      nft.commit = commit
      commit(transaction)
      throw new Error('no buffer space for the answer')
    }
    stores.policies.remove('x/deny')
    await running.settled()
    const { commits } = nft
    await running.clock.advance(1000)
    stores.policies.put(toNetworkPolicy(denyAll))
    await running.settled()
    expect([reach(nft, client, a), nft.commits - commits]).toEqual(['drop', 1])
  })

  test('CNP-25: rules that stand in the list of their tier, for one of them passes, change with their policy', async () => {
    const nft = new FakeNft()
    const passing = (port: number): object => clusterPolicy('pass', { tier: 'Admin', priority: 1, ingress: [{ action: 'Deny', from: [{ namespaces: {} }], protocols: [{ tcp: { destinationPort: { number: port } } }] }, { action: 'Pass', from: [{ namespaces: {} }] }] })
    const stores = storesOf([...world, pod('x/c', { ips: [client] }), passing(80)])
    await using running = runPolicy({ stores, nft, podsOfNode: nodeName })
    await running.settled()
    expect([reach(nft, client, a, 80), reach(nft, client, a, 81)]).toEqual(['drop', 'accept'])
    stores.clusterPolicies[0].put(toClusterNetworkPolicy(passing(81), 'ClusterNetworkPolicy'))
    await running.settled()
    expect([reach(nft, client, a, 80), reach(nft, client, a, 81)]).toEqual(['accept', 'drop'])
  })

  test('P7: what is changed and changed back before a commit costs nothing', async () => {
    const allow = networkPolicy('x/allow', { ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }] }] })
    const stores = storesOf([...world, allow, pod('x/c', { ips: [client], labels: { app: 'client' } })])
    await using running = runPolicy({ stores, nft: new FakeNft(), podsOfNode: nodeName })
    await running.settled()
    for (const labels of [{}, { app: 'client' }]) stores.pods.put(toPod(pod('x/c', { ips: [client], labels })))
    stores.policies.remove('x/allow')
    stores.policies.put(toNetworkPolicy(allow))
    await running.settled()
    expect(running.nft.commits).toBe(1)
  })
})

describe('hostile input', () => {
  test('P10: what users write reaches the table as comment only, in a form nft can quote', () => {
    const evil = { matchExpressions: [{ key: 'a"; drop;', operator: 'In', values: ['x\n} table', 'ü'.repeat(200)] }] }
    const table = stateOf([...world, networkPolicy('x/p', { ingress: [{ from: [{ podSelector: evil }] }] })]).table()
    expect(formatTable(table)).toContain('comment "x a?? drop? in (x?? table,')
    expect(() => kernelOf(stateOf([...world, networkPolicy('x/p', { ingress: [{ from: [{ podSelector: evil }] }] })]))).not.toThrow()
  })
})

describe('policies of ten thousand rules', () => {
  const peerOf = (index: number): object => ({ podSelector: { matchLabels: { app: `app-${index}` } } })
  const pods = [pod('x/first', { ips: [client], labels: { app: 'app-0' }, node: 'node-2' }), pod('x/last', { ips: ['10.244.2.10'], labels: { app: 'app-9999' }, node: 'node-2' })]
  const beside = [namespace('y'), pod('y/b', { ips: ['10.244.1.3'] }), networkPolicy('y/in', { ingress: [{ ports: [{ port: 80 }] }] })]
  const ports = (index: number): object => ({ ports: [{ port: 80 + index }] })

  test('P4, P10: what is too much for the kernel allows nothing, with one Event and a count; the rest of it and other policies are in force', { timeout: 30_000 }, async () => {
    const nft = new FakeNft()
    const many = networkPolicy('x/many', { ingress: Array.from({ length: 10_000 }, (_, index) => ({ from: [peerOf(index)], ...ports(index) })) })
    await using running = runPolicy({ stores: storesOf([...world, ...pods, ...beside, many]), nft, podsOfNode: nodeName })
    await running.settled()
    running.stores.namespaces.put(toNamespace(namespace('kube-system')))
    running.policy.recheck()
    await running.settled()
    expect([reach(nft, client, a, 80), reach(nft, '10.244.2.10', a, 80 + 9999), reach(nft, client, '10.244.1.3', 80), reach(nft, client, '10.244.1.3', 81)]).toEqual(['accept', 'drop', 'accept', 'drop'])
    expect(running.refused).toEqual([expect.stringContaining('many spec.ingress is more than 4000 rules of the kernel')])
    expect(await running.registry.metrics()).toContain('weft_policy_refused_total{kind="NetworkPolicy"} 1')
  })

  test('P4, P10: what the kernel refuses of a policy closes it, with one Event, until the policy changes; the others are in force', async () => {
    const nft = new FakeNft()
    const commit = nft.commit.bind(nft)
    // A kernel that knows no SCTP.
    nft.commit = (transaction) => {
      const refused = transaction.operations.findIndex((_operation, index) => transaction.text.split('\n')[index]?.includes('sctp dport') === true)
      if (refused >= 0) throw new NftError('ERR_NFT_COMMIT_FAILED', 'Cannot commit: no SCTP', { errno: 'EOPNOTSUPP', refused: [{ index: refused, text: transaction.text.split('\n')[refused]!, errno: 'EOPNOTSUPP', kernelMessage: undefined }] })
      commit(transaction)
    }
    const bad = networkPolicy('x/bad', { ingress: [{ ports: [{ port: 80 }] }, { from: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [{ port: 80, protocol: 'SCTP' }] }] })
    await using running = runPolicy({ stores: storesOf([...world, ...beside, bad]), nft, podsOfNode: nodeName })
    for (let turn = 0; turn < 5; turn += 1) await running.clock.advance(2000)
    await running.settled()
    expect([reach(nft, client, a, 80), reach(nft, client, '10.244.1.3', 80), reach(nft, client, '10.244.1.3', 81)]).toEqual(['drop', 'accept', 'drop'])
    expect(running.refused).toEqual([expect.stringContaining('bad spec is refused by the kernel')])
    running.stores.policies.put(toNetworkPolicy(networkPolicy('x/bad', { ingress: [{ ports: [{ port: 80 }] }] })))
    await running.settled()
    expect(reach(nft, client, a, 80)).toBe('accept')
  })

  test('of a policy of the cluster nobody knows what the rest would deny: it denies', { timeout: 30_000 }, async () => {
    const nft = new FakeNft()
    const deny = clusterPolicy('many', { tier: 'Admin', priority: 1, ingress: Array.from({ length: 10_000 }, (_, index) => ({ action: index % 2 === 0 ? 'Accept' : 'Deny', from: [{ pods: { namespaceSelector: {}, ...peerOf(index) } }] })) })
    await using running = runPolicy({ stores: storesOf([...world, ...pods, deny]), nft, podsOfNode: nodeName })
    await running.settled()
    expect([reach(nft, client, a), reach(nft, '10.244.2.10', a), reach(nft, '203.0.113.1', a)]).toEqual(['accept', 'drop', 'drop'])
    expect(running.refused).toHaveLength(1)
  })

  test('selectors that match everything are one set, whoever writes them', () => {
    const everybody = Array.from({ length: 200 }, (_, index) => networkPolicy(`x/p${index}`, { ingress: [{ from: [{ namespaceSelector: {} }, { namespaceSelector: {}, podSelector: {} }], ports: [{ port: 80 + (index % 2) }] }] }))
    const { sets } = stateOf([...world, ...pods, ...everybody]).table()
    expect(sets.filter(({ name }) => /^sel[46]-/.test(name)).map(({ name, elements }) => [name.slice(0, 4), elements.length])).toEqual([['sel4', 3], ['sel6', 0]])
  })
})

describe('policies of which something cannot be read', () => {
  const bad = (spec: object): object => networkPolicy('x/bad', spec)

  test('P4, P10: a podSelector closes its namespace, and others are what they were', async () => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf([...world, namespace('y'), pod('y/b', { ips: ['10.244.1.3'] }), bad({ podSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] }, ingress: [{}] })]), nft, podsOfNode: nodeName })
    await running.settled()
    expect([reach(nft, client, a), reach(nft, a, client), reach(nft, client, '10.244.1.3')]).toEqual(['drop', 'accept', 'accept'])
    expect(running.refused).toEqual([expect.stringContaining('bad spec.podSelector.matchExpressions[0].operator')])
    expect(await running.registry.metrics()).toContain('weft_policy_refused_total{kind="NetworkPolicy"} 1')
  })

  test('P4, P10: a peer is left out, the rest of the policy counts; it is told once for each version, also after a restart', async () => {
    const objects = [...world, bad({ ingress: [{ from: [{}, { ipBlock: { cidr: '10.244.2.0/24' } }] }, { from: [{ ipBlock: { cidr: '10.0.0.0/33' } }] }] })]
    const nft = new FakeNft()
    for (let start = 0; start < 2; start += 1) {
      await using running = runPolicy({ stores: storesOf(objects), nft, podsOfNode: nodeName })
      await running.settled()
      running.policy.recheck()
      await running.settled()
      expect([reach(nft, client, a), reach(nft, '10.244.3.1', a)]).toEqual(['accept', 'drop'])
      expect(running.refused).toEqual([expect.stringMatching(/from\[0\] is empty.*and 2 more/)])
    }
  })

  test('CNP-13: of a policy of the cluster only denials are left', async () => {
    const nft = new FakeNft()
    const policy = clusterPolicy('bad', { tier: 'Top', priority: 5, ingress: [{ action: 'Accept', from: [{ namespaces: {} }] }, { action: 'Deny', from: [{ namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'y' } } }] }] })
    await using running = runPolicy({ stores: storesOf([...world, namespace('y'), pod('y/b', { ips: [client], node: 'node-2' }), policy]), nft, podsOfNode: nodeName })
    await running.settled()
    expect([reach(nft, client, a), reach(nft, '10.244.3.1', a)]).toEqual(['drop', 'accept'])
    expect(running.refused).toHaveLength(1)
  })
})

describe('recheck()', () => {
  test('P5: mends what another program did, in one transaction', async () => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf([...world, denyAll]), nft, podsOfNode: nodeName })
    await running.settled()
    const want = nft.text
    const current = nft.read('inet', 'weft-policy')
    nft.commitForeign(diffTable(current, { ...stateOf([]).table() }))
    expect(reach(nft, client, a)).toBe('accept')
    const { commits } = nft
    running.policy.recheck()
    await running.settled()
    expect(reach(nft, client, a)).toBe('drop')
    expect(nft.commits).toBe(commits + 1)
    expect(nft.text.split('\n').sort()).toEqual(want.split('\n').sort())
  })
})
