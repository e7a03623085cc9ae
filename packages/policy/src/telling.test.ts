import { logGroups, tables, toClusterNetworkPolicy, toNetworkPolicy, toPod } from '@weft/api'
import { collectingLogger } from '@weft/daemon/testing'
import { ifIndexFrom, parseIp } from '@weft/ip'
import type { LoggedPacket } from '@weft/netlink'
import { diffTable, formatTable, type RuleState } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { clusterPolicy, namespace, networkPolicy, nodeName, pod, storesOf } from '../test/cluster.ts'
import { clusterOf } from '../test/evaluated.ts'
import { createEvaluator } from './evaluator/index.ts'
import { writePolicyLog } from './policy-log.ts'
import { countsOf } from './rule-counts.ts'
import { PolicyState } from './state.ts'
import { watchNamespace, watchPeer, watchTarget } from './watch.ts'

const world = [
  namespace('shop', { team: 'blue' }), namespace('ops'),
  pod('shop/web', { ips: ['10.244.1.2'], labels: { app: 'web' } }), pod('shop/db', { ips: ['10.244.1.3'], labels: { app: 'db' } }), pod('ops/far', { ips: ['10.244.2.4'], node: 'node-2' }),
]
const noted = (object: object, annotations: Readonly<Record<string, string>>): object => ({ ...object, metadata: { ...(object as { readonly metadata: object }).metadata, annotations } })
const log = { group: logGroups.policy, perSecond: 10 }
const dbIn = networkPolicy('shop/db-in', { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 80 }] }] })
const noOps = clusterPolicy('no-ops', { tier: 'Admin', priority: 3, ingress: [{ action: 'Deny', from: [{ namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'ops' } } }] }, { action: 'Accept', from: [{ namespaces: {} }], protocols: [{ tcp: { destinationPort: { number: 81 } } }] }] })

/** A kernel with these policies: who gets through, and what was logged on the way. */
function kernelWith(policies: readonly object[], target: typeof log | 'nowhere' = log): { readonly state: PolicyState, readonly ask: (from: string, port: number) => { readonly verdict: string, readonly told: readonly string[] } } {
  const { pods, namespaces, policies: network, clusterPolicies } = storesOf([...world, ...policies])
  const state = new PolicyState({ log: target === 'nowhere' ? undefined : target })
  for (const each of namespaces.values()) state.setNamespace(each.name, watchNamespace(each))
  for (const each of pods.values()) {
    state.setPeer(`${each.namespace}/${each.name}`, watchPeer(each))
    if (each.nodeName === nodeName) state.setTarget(`${each.namespace}/${each.name}`, watchTarget(each, each))
  }
  for (const each of network.values()) state.setPolicy(`${each.namespace}/${each.name}`, each)
  for (const each of clusterPolicies.flatMap((store) => [...store.values()])) state.setClusterPolicy(`${each.kind}/${each.name}`, each)
  const nft = new FakeNft()
  nft.commit(diffTable(undefined, state.table()))
  return {
    state,
    ask: (from, port) => {
      const { verdict, asked } = nft.trace({ saddr: from, daddr: '10.244.1.3', protocol: 'tcp', sport: 40_000, dport: port, iif: 'weft1' })
      const prefixes = asked.filter(({ ran }) => ran).flatMap(({ rule }) => rule.statements.flatMap((statement) => (statement.kind === 'log' ? [statement.prefix!] : [])))
      return { verdict, told: prefixes.map((prefix) => `${state.told(prefix)!.verdict} ${state.told(prefix)!.policies.join(' ')} ${state.told(prefix)!.rule ?? 'no rule'}`) }
    },
  }
}

const [web, far] = ['10.244.1.2', '10.244.2.4']

describe('weft.dev/log', () => {
  test('denied: what isolation drops, and not what passes', () => {
    const { ask } = kernelWith([noted(dbIn, { 'weft.dev/log': 'denied' })])
    expect(ask(web, 80)).toEqual({ verdict: 'accept', told: [] })
    expect(ask(web, 81)).toEqual({ verdict: 'drop', told: ['denied shop/db-in no rule'] })
  })

  test('allowed: what a rule accepts, with the rule', () => {
    const { ask } = kernelWith([noted(dbIn, { 'weft.dev/log': 'allowed' })])
    expect(ask(web, 80)).toEqual({ verdict: 'accept', told: ['allowed shop/db-in ingress[0]'] })
    expect(ask(web, 81)).toEqual({ verdict: 'drop', told: [] })
  })

  test('all, of a policy of the cluster: Accept and Deny', () => {
    const { ask } = kernelWith([noted(noOps, { 'weft.dev/log': 'all' })])
    expect(ask(far, 80)).toEqual({ verdict: 'drop', told: ['denied ClusterNetworkPolicy/no-ops ingress[0]'] })
    expect(ask(web, 81)).toEqual({ verdict: 'accept', told: ['allowed ClusterNetworkPolicy/no-ops ingress[1]'] })
    expect(ask(web, 80)).toEqual({ verdict: 'accept', told: [] })
  })

  test('all, of a NetworkPolicy: what its rules allow, and what its isolation drops', () => {
    const { ask } = kernelWith([noted(dbIn, { 'weft.dev/log': 'all' })])
    expect([ask(web, 80), ask(web, 81)]).toEqual([{ verdict: 'accept', told: ['allowed shop/db-in ingress[0]'] }, { verdict: 'drop', told: ['denied shop/db-in no rule'] }])
  })

  test('without a kernel that logs the verdicts are the same', () => {
    const { ask, state } = kernelWith([noted(dbIn, { 'weft.dev/log': 'all' }), noted(noOps, { 'weft.dev/audit': 'true' })], 'nowhere')
    expect([ask(web, 80), ask(web, 81), ask(far, 80)]).toEqual([{ verdict: 'accept', told: [] }, { verdict: 'drop', told: [] }, { verdict: 'drop', told: [] }])
    expect(formatTable(state.table())).not.toContain(' log ')
  })

  test('a policy that stops logging leaves nothing of it', () => {
    const { state } = kernelWith([noted(dbIn, { 'weft.dev/log': 'all' }), noOps])
    const prefixes = formatTable(state.table()).match(/(?<=chain )tell-\w+-\w+/g)!
    expect(new Set(prefixes.map((prefix) => state.told(prefix)?.verdict))).toEqual(new Set(['allowed', 'denied']))
    state.setPolicy('shop/db-in', toNetworkPolicy(dbIn))
    expect(formatTable(state.table())).toBe(formatTable(kernelWith([dbIn, noOps]).state.table()))
    expect(prefixes.map((prefix) => state.told(prefix))).toEqual([undefined, undefined])
    state.setPolicy('shop/db-in', toNetworkPolicy(noted(dbIn, { 'weft.dev/audit': 'true' })))
    state.setClusterPolicy('ClusterNetworkPolicy/no-ops', toClusterNetworkPolicy(noted(noOps, { 'weft.dev/audit': 'true', 'weft.dev/log': 'all' })))
    state.setPolicy('shop/db-in', undefined)
    state.setClusterPolicy('ClusterNetworkPolicy/no-ops', undefined)
    expect(formatTable(state.table())).toBe(formatTable(kernelWith([]).state.table()))
  })
})

describe('weft.dev/audit', () => {
  const audit = { 'weft.dev/audit': 'true' }

  test('what a NetworkPolicy would deny passes and is told', () => {
    const { ask } = kernelWith([noted(dbIn, audit)])
    expect(ask(web, 80)).toEqual({ verdict: 'accept', told: [] })
    expect(ask(web, 81)).toEqual({ verdict: 'accept', told: ['audit shop/db-in no rule'] })
  })

  test('beside policies that are enforced it changes nothing', () => {
    const enforced = networkPolicy('shop/only-81', { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ ports: [{ port: 81 }] }] })
    const { ask } = kernelWith([noted(dbIn, audit), enforced])
    expect([ask(web, 80), ask(web, 81)]).toEqual([{ verdict: 'drop', told: [] }, { verdict: 'accept', told: [] }])
    const { ingress } = createEvaluator(clusterOf([...world, noted(dbIn, audit), enforced]))({ from: parseIp(web), to: parseIp('10.244.1.3'), protocol: 'TCP', port: 81 })
    expect([ingress.allowed, ingress.wouldDeny]).toEqual([true, []])
  })

  test('Baseline decides where a NetworkPolicy only watches', () => {
    const baseline = clusterPolicy('base', { tier: 'Baseline', priority: 1, ingress: [{ action: 'Deny', from: [{ namespaces: {} }] }] })
    expect(kernelWith([noted(dbIn, audit), baseline]).ask(web, 80).verdict).toBe('drop')
  })

  test('what a policy of the cluster would deny passes on to the next policies', () => {
    const { ask } = kernelWith([noted(noOps, audit), noted(dbIn, { 'weft.dev/log': 'denied' })])
    expect(ask(far, 80)).toEqual({ verdict: 'drop', told: ['audit ClusterNetworkPolicy/no-ops ingress[0]', 'denied shop/db-in no rule'] })
    expect(kernelWith([noted(noOps, audit)]).ask(far, 80)).toEqual({ verdict: 'accept', told: ['audit ClusterNetworkPolicy/no-ops ingress[0]'] })
    // An Accept in audit mode accepts nothing.
    expect(ask(web, 81).verdict).toBe('drop')
  })

  test('the evaluator says the same, and who would deny', () => {
    const judge = createEvaluator(clusterOf([...world, noted(dbIn, audit), noted(noOps, audit)]))
    const verdict = judge({ from: parseIp(far), to: parseIp('10.244.1.3'), protocol: 'TCP', port: 80 })
    expect({ allowed: verdict.allowed, wouldDeny: verdict.ingress.wouldDeny.map(({ name }) => name) }).toEqual({ allowed: true, wouldDeny: ['no-ops', 'db-in'] })
    expect(judge({ from: parseIp(web), to: parseIp('10.244.1.3'), protocol: 'TCP', port: 80 }).ingress.wouldDeny).toEqual([])
  })

  test('a word that is none of ours is a problem, and the policy is enforced', () => {
    const { problems, telling } = toNetworkPolicy(noted(dbIn, { 'weft.dev/audit': 'yes', 'weft.dev/log': 'loud' }))
    expect(telling).toEqual({ log: 'none', audit: false, counters: false })
    expect(problems).toEqual([expect.stringContaining('weft.dev/log is "loud", wanted one of none, allowed, denied, all'), expect.stringContaining('weft.dev/audit is "yes"')])
  })
})

describe('weft.dev/counters', () => {
  test('a rule is counted over all that it is in the kernel; more series than a thousand are left out', () => {
    const rules = new Map(Array.from({ length: 1200 }, (_, index) => [`p${index} ingress[0]`, { policy: `p${index}`, rule: 'ingress[0]' }]))
    const state = (comment: string | undefined, packets: bigint): RuleState => ({ handle: 1n, fingerprint: undefined, comment, counter: { packets, bytes: 0n } })
    const kernel = { name: { family: 'inet', name: tables.policy }, table: kernelWith([]).state.table(), rules: new Map([['one', [state('p1 ingress[0]', 2n), state(undefined, 9n)]], ['two', [state('p1 ingress[0]', 3n), state('somebody', 9n)]]]) } as const
    const counts = countsOf(rules, kernel)
    expect([counts.length, counts.find(({ policy }) => policy === 'p1')?.packets, counts.reduce((sum, { packets }) => sum + packets, 0)]).toEqual([1000, 5, 5])
    expect(countsOf(new Map(), undefined)).toEqual([])
  })
})

describe('writePolicyLog()', () => {
  test('says who, to whom and by which policy, in names', async () => {
    const { state } = kernelWith([noted(dbIn, { 'weft.dev/log': 'denied' })])
    const prefix = /chain (tell-in-\w+)/.exec(formatTable(state.table()))![1]!
    // Two pods claim an address, and nobody knows whose packet it was.
    for (const name of ['old', 'young']) state.setPeer(`shop/${name}`, watchPeer(toPod(pod(`shop/${name}`, { ips: ['10.244.1.99'], node: 'node-2' }))))
    const packet = (source: string, more: Partial<LoggedPacket> = {}): LoggedPacket => ({
      prefix, iif: ifIndexFrom(1), oif: ifIndexFrom(2), head: { source: parseIp(source), destination: parseIp('10.244.1.3'), protocol: 6, sourcePort: 40_000, destinationPort: 81 }, ...more,
    })
    async function* packets(): AsyncIterable<LoggedPacket | 'overrun'> {
      yield packet(web)
      yield 'overrun'
      yield packet('203.0.113.9')
      yield packet('10.244.1.99')
      yield packet(web, { prefix: 'somebody else' })
      yield packet(web, { head: undefined })
    }
    const logger = collectingLogger()
    const told: string[] = []
    await writePolicyLog(packets(), { told: (name) => state.told(name), podsAt: (ip) => state.podsAt(ip), logger, onTold: (verdict) => told.push(verdict), onLost: () => told.push('lost') })
    expect(told).toEqual(['denied', 'lost', 'denied', 'denied'])
    expect(logger.lines.map(({ message, fields }) => [message, fields])).toEqual([
      ['policy denied a connection', expect.objectContaining({ direction: 'ingress', policies: ['shop/db-in'], from: 'shop/web', source: web, to: 'shop/db', destination: '10.244.1.3', port: 81, protocol: 'TCP' })],
      ['policy denied a connection', expect.objectContaining({ from: undefined, source: '203.0.113.9' })],
      ['policy denied a connection', expect.objectContaining({ from: 'shop/old or shop/young' })],
    ])
  })
})

test('the table of policies that log is one that diffs to nothing', () => {
  const { state } = kernelWith([noted(dbIn, { 'weft.dev/log': 'all' }), noted(noOps, { 'weft.dev/audit': 'true' })])
  const nft = new FakeNft()
  nft.commit(diffTable(undefined, state.table()))
  expect(diffTable(nft.read('inet', tables.policy), state.table()).text).toBe('')
})
