import { tables } from '@weft/api'
import { accept, counter, rule, Transaction } from '@weft/nftables'
import type { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { clusterPolicy, namespace, networkPolicy, node, nodeName, pod } from '../../test/cluster.ts'
import { clusterOf } from '../../test/evaluated.ts'
import { kernelOf, stateOf } from '../../test/running.ts'
import { explainPolicy } from './explain.ts'
import { policyMatrix } from './matrix.ts'
import { readQuestion } from './question.ts'

const world = [
  node(nodeName, ['172.30.1.11', 'fd00:172:30:1::11'], {}, ['10.244.1.0/24', 'fd00:10:244:1::/64']), node('node-2', ['172.30.1.12']),
  namespace('shop', { team: 'blue' }), namespace('ops'),
  pod('shop/web', { ips: ['10.244.1.2', 'fd00:10:244:1::2'], labels: { app: 'web' } }),
  pod('shop/db', { ips: ['10.244.1.3', 'fd00:10:244:1::3'], labels: { app: 'db' }, ports: [{ name: 'sql', containerPort: 5432 }] }),
  pod('ops/far', { ips: ['10.244.2.4'], node: 'node-2' }),
  pod('ops/agent', { ips: ['172.30.1.11'], hostNetwork: true }),
  pod('ops/new', {}),
]
const closedDb = networkPolicy('shop/db-in', { podSelector: { matchLabels: { app: 'db' } }, ingress: [
  { from: [{ podSelector: { matchLabels: { app: 'admin' } } }] },
  { from: [{ podSelector: { matchLabels: { app: 'web' } } }, { ipBlock: { cidr: '192.0.2.0/24', except: ['192.0.2.128/25'] } }], ports: [{ port: 'sql' }, { port: 8000, endPort: 8010 }] },
] })
const noOps = clusterPolicy('no-ops', { tier: 'Admin', priority: 3, subject: { namespaces: { matchLabels: { team: 'blue' } } }, ingress: [{ name: 'ops', action: 'Deny', from: [{ namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'ops' } } }] }] })

function ask(policies: readonly object[], question: string, edit: (nft: FakeNft) => void = () => {}, { closesRanges = false } = {}): ReturnType<typeof explainPolicy> {
  const objects = [...world, ...policies]
  const state = stateOf(objects, { closesRanges })
  const nft = kernelOf(state)
  edit(nft)
  return explainPolicy(readQuestion({ from: '', to: '', ...Object.fromEntries(new URLSearchParams(question)) }), { nodeName, cluster: { ...clusterOf(objects), closesRangesOf: closesRanges ? nodeName : undefined }, wanted: state.table(), kernel: nft.read('inet', tables.policy) })
}

describe('explainPolicy()', () => {
  test('says which rule decided, what was asked before it, and that the kernel does the same', () => {
    const { allowed, from, to, traffic, sides, kernel } = ask([closedDb, noOps], 'from=shop/web&to=shop/db&port=5432')
    expect({ allowed, from, to, traffic }).toEqual({
      allowed: true, traffic: 'TCP 5432',
      from: { ip: '10.244.1.2', words: 'pod shop/web', node: nodeName }, to: { ip: '10.244.1.3', words: 'pod shop/db', node: nodeName },
    })
    expect(sides.map(({ words }) => words)).toEqual(['open: no policy selects it', 'open, by NetworkPolicy shop/db-in ingress[1]'])
    expect(sides[1]!.rules).toEqual([
      { rule: 'ClusterNetworkPolicy no-ops ingress[0] "ops"', words: 'Deny from all pods of namespaces kubernetes.io/metadata.name=ops', outcome: 'other peer' },
      { rule: 'NetworkPolicy shop/db-in ingress[0]', words: 'Accept from pods app=admin of shop', outcome: 'other peer' },
      { rule: 'NetworkPolicy shop/db-in ingress[1]', words: 'Accept from pods app=web of shop, or from 192.0.2.0/24 except 192.0.2.128/25 at the TCP port called "sql", TCP 8000-8010', outcome: 'matched' },
    ])
    expect(kernel).toMatchObject({ allowed: true, wanted: true, strange: [] })
    const ran = kernel!.lines.filter((line) => line.ran && line.chain.startsWith('policy-in-'))
    expect(ran).toHaveLength(1)
    expect(ran[0]!.rule).toMatch(/^ip saddr @sel4-\S+ ip daddr \. meta l4proto \. th dport @port4-\S+ counter packets 0 bytes 0 goto allowed comment "shop\/db-in ingress\[1\]"$/)
    // What was asked in vain is shown beside it.
    expect(kernel!.lines.some((line) => !line.ran && line.chain === ran[0]!.chain)).toBe(true)
  })

  test('says who isolates a pod, and what of each rule did not match', () => {
    const { allowed, sides, kernel } = ask([closedDb], 'from=10.244.1.2&to=shop/db&port=81')
    expect({ allowed, words: sides[1]!.words }).toEqual({ allowed: false, words: 'closed: NetworkPolicy shop/db-in select it, and no rule of theirs matches' })
    expect(sides[1]!.rules.map(({ outcome }) => outcome)).toEqual(['other peer', 'other port'])
    expect(kernel).toMatchObject({ allowed: false, wanted: false })
  })

  test('an Admin policy closes what a NetworkPolicy would open', () => {
    const { sides, kernel } = ask([networkPolicy('shop/open', { ingress: [{}] }), noOps], 'from=ops/far&to=shop/db&port=5432')
    expect(sides[1]!.words).toBe('closed, by ClusterNetworkPolicy no-ops ingress[0] "ops"')
    expect(kernel).toMatchObject({ allowed: false, wanted: false })
  })

  test('a kernel that does something else is told beside the model', () => {
    const remove = (nft: FakeNft): void => {
      const { table } = nft.read('inet', tables.policy)!
      const ingress = table.maps.find(({ name }) => name === 'ingress4')!
      nft.commitForeign(new Transaction({ family: 'inet', name: tables.policy }).deleteElements(ingress, ingress.elements))
    }
    const { allowed, kernel } = ask([closedDb], 'from=shop/web&to=shop/db&port=81', remove)
    expect(allowed).toBe(false)
    expect(kernel).toMatchObject({ allowed: true, wanted: false })
  })

  test('rules that are none of ours are named, and not followed', () => {
    const { kernel } = ask([closedDb], 'from=shop/web&to=shop/db&port=81', (nft) => nft.commitForeign(new Transaction({ family: 'inet', name: tables.policy }).addRule('forward', rule(counter(), accept))))
    expect(kernel!.strange).toEqual([expect.stringMatching(/^chain forward, rule with handle \d+$/)])
  })

  test('ends may be nodes, addresses of nobody, pods on host networks; the kernel is silent about pods elsewhere', () => {
    expect(ask([closedDb], `from=${nodeName}&to=shop/db&port=81`)).toMatchObject({ allowed: true, from: { words: `node ${nodeName}` }, kernel: { allowed: true, wanted: true } })
    expect(ask([closedDb], 'from=ops/agent&to=shop/db&port=81&family=4').sides[1]!.words).toBe("open: a pod's own node always reaches it")
    expect(ask([closedDb], 'from=203.0.113.9&to=shop/db&port=81')).toMatchObject({ allowed: false, from: { words: '203.0.113.9, no pod and no node', node: undefined } })
    expect(ask([], 'from=node-2&to=ops/far&port=1')).toMatchObject({ kernel: undefined, to: { node: 'node-2' } })
    expect(ask([closedDb], 'from=shop/web&to=shop/db').traffic).toBe('ICMP')
    expect(ask([closedDb], 'from=shop/web&to=shop/db&family=6&port=5432&protocol=tcp')).toMatchObject({ allowed: true, to: { ip: 'fd00:10:244:1::3' }, kernel: { allowed: true } })
    expect(ask([closedDb], 'from=shop/db&to=shop/db&port=1').sides[0]!.words).toBe('open: a pod always reaches itself')
  })

  test('addresses of the node\'s podCIDRs that no pod has are closed beside another CNI plugin, save for the node, by model and kernel', () => {
    const asked = (question: string): ReturnType<typeof ask> => ask([], question, () => {}, { closesRanges: true })
    const out = asked('from=10.244.1.77&to=shop/db&port=81')
    expect(out).toMatchObject({ allowed: false, from: { words: '10.244.1.77, no pod, of the podCIDRs of node node-1', node: nodeName }, kernel: { allowed: false, wanted: false } })
    expect(out.sides.map(({ words }) => words)).toEqual(["closed: the source has an address of its node's podCIDRs, and no pod there that the API knows has it", 'open: no policy selects it'])
    expect(out.kernel!.lines.filter(({ ran }) => ran).map(({ chain, rule }) => `${chain}: ${rule}`)).toEqual(expect.arrayContaining(['forward: ip saddr @range4 ip saddr . ip saddr != @self4 goto unknown-pod', 'denied: drop']))
    expect(asked('from=shop/db&to=fd00:10:244:1::77&port=81').sides[1]!.words).toBe("closed: the destination has an address of its node's podCIDRs, and no pod there that the API knows has it")
    expect(asked('from=10.244.1.77&to=node-2&port=81')).toMatchObject({ allowed: false, kernel: { allowed: false, wanted: false } })
    expect(asked(`from=${nodeName}&to=10.244.1.77&port=81`)).toMatchObject({ allowed: true, sides: [{ words: 'open: the source is no pod that policies protect' }, { words: "open: a pod's own node always reaches it" }] })
    // Where cni tells of pods before they start nobody is unknown.
    expect(ask([], 'from=10.244.1.77&to=shop/db&port=81')).toMatchObject({ allowed: true, kernel: { allowed: true, wanted: true } })
  })

  test.each([
    ['from=shop/web', 'Cannot explain a connection: wanted from and to, each a pod, a node or an address'],
    ['from=shop/web&to=shop/db&port=x', 'Cannot parse port "x"'],
    ['from=shop/web&to=shop/db&protocol=udp', 'Cannot explain UDP without a port: TCP, UDP and SCTP have ports, ICMP has none'],
    ['from=shop/web&to=shop/db&protocol=gre&port=1', 'Cannot explain protocol "GRE": wanted one of TCP, UDP, SCTP, ICMP'],
    ['from=shop/web&to=shop/db&family=5&port=1', 'Cannot explain family "5": wanted 4 or 6'],
    ['from=shop/web&to=nowhere/db&port=1', 'Cannot explain "nowhere/db": there is no pod nowhere/db and no such namespace, and no node of that name'],
    ['from=shop/web&to=ops/new&port=1', 'Cannot explain "ops/new": pod ops/new has no address yet'],
    ['from=shop/web&to=ops/far&family=6&port=1', 'Cannot explain "shop/web" to "ops/far": they have no address of one family 6'],
  ])('%s is no question', (question, message) => {
    expect(() => ask([], question)).toThrow(message)
  })
})

describe('policyMatrix()', () => {
  const matrix = (policies: readonly object[], more: Partial<Parameters<typeof policyMatrix>[1]> = {}): ReturnType<typeof policyMatrix> =>
    policyMatrix(clusterOf([...world, ...policies]), { protocol: 'TCP', port: 5432, family: undefined, namespaces: [], ...more })

  test('says for each pair which side refuses', () => {
    const noWebOut = networkPolicy('shop/web-out', { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Egress'] })
    expect(matrix([closedDb, noWebOut])).toEqual({
      traffic: 'TCP 5432', family: 4, pods: ['ops/far', 'shop/db', 'shop/web'],
      reach: [['open', 'ingress', 'open'], ['open', 'open', 'open'], ['egress', 'egress', 'open']],
    })
    expect(matrix([closedDb, noWebOut], { port: 81, namespaces: ['shop'], family: 6 })).toMatchObject({ family: 6, pods: ['shop/db', 'shop/web'], reach: [['open', 'open'], ['both', 'open']] })
  })

  test('refuses more than anybody reads', () => {
    const many = Array.from({ length: 501 }, (_, index) => pod(`shop/p${index}`, { ips: [`10.9.${index >> 8}.${index & 255}`] }))
    expect(() => matrix(many)).toThrow('Cannot draw a matrix of 504 pods: at most 500, wanted fewer namespaces')
  })
})

