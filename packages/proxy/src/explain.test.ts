import { tables } from '@weft/api'
import { parseIp } from '@weft/ip'
import { drop, eq, ip, rule, Transaction } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { node, service, slice } from '../test/cluster.ts'
import { running } from '../test/running.ts'
import { type Explanation, formatExplanation } from './explain.ts'
import { explainInWords } from './proxy-answers.ts'
import { sets } from './sets.ts'

const objects = [
  node('here'), node('there', { ips: ['172.30.1.12', 'fd00:172:30:1::12'], podCidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] }),
  service('shop/web', ['10.96.0.1', 'fd00:10:96::1'], { type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30_080 }], balancers: ['192.0.2.1'], loadBalancerSourceRanges: ['198.51.100.0/24'] }),
  slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }, '10.244.1.7']), slice('shop/web', [{ ip: 'fd00:10:244::5', node: 'here' }], { suffix: '6' }),
  service('shop/empty', ['10.96.0.2']),
  service('shop/inner', ['10.96.0.3'], { internalTrafficPolicy: 'Local' }), slice('shop/inner', ['10.244.1.7']),
  service('shop/outer', ['10.96.0.4'], { type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort: 30_081 }] }), slice('shop/outer', ['10.244.1.7']),
  service('kube-system/kube-dns', ['10.96.0.10'], { ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }),
  slice('kube-system/kube-dns', [{ ip: '172.30.1.11', node: 'here' }], { ports: [{ name: 'dns', port: 10_053, protocol: 'UDP' }] }),
]
const config = { serviceCidrs: ['10.96.0.0/16'] }
const pod = '10.244.0.9'
const outside = '203.0.113.9'

interface Asked { readonly to: string, readonly port: number, readonly from?: string | undefined, readonly protocol?: 'TCP' | 'UDP' }

function question({ to, port, from, protocol = 'TCP' }: Asked): Parameters<Awaited<ReturnType<typeof running>>['proxy']['explain']>[0] {
  return { ip: parseIp(to), port, protocol, from: from === undefined ? undefined : parseIp(from) }
}

describe('explain()', () => {
  test.each<readonly [name: string, asked: Asked, outcome: string, why: RegExp]>([
    ['SVC-19, SVC-41 a cluster IP from a pod', { to: '10.96.0.1', port: 80, from: pod }, 'sent to 10.244.0.5:8080, source kept; or sent to 10.244.1.7:8080, source kept', /cluster IP of Service shop\/web/],
    ['SVC-65 its other family', { to: 'fd00:10:96::1', port: 80, from: 'fd00:10:244::9' }, 'sent to [fd00:10:244::5]:8080, source kept', /on this node/],
    ['SVC-35 a cluster IP from outside', { to: '10.96.0.1', port: 80, from: outside }, 'sent to 10.244.0.5:8080, source becomes 172.30.1.11; or sent to 10.244.1.7:8080, source becomes 172.30.1.11', /outside of the cluster, so the source/],
    ['SVC-20 a backend to itself', { to: '10.96.0.1', port: 80, from: '10.244.0.5' }, 'sent to 10.244.0.5:8080, source becomes 172.30.1.11; or sent to 10.244.1.7:8080, source kept', /meets itself/],
    ['SVC-36 a NodePort from outside', { to: '172.30.1.11', port: 30_080, from: outside }, 'sent to 10.244.0.5:8080, source becomes 172.30.1.11; or sent to 10.244.1.7:8080, source becomes 172.30.1.11', /NodePort of Service shop\/web/],
    ['SVC-31 nobody serves', { to: '10.96.0.2', port: 80 }, 'refused', /Nobody serves/],
    ['SVC-22 a port that a Service has not', { to: '10.96.0.1', port: 81, from: pod }, 'refused', /has no port 81/],
    ['SVC-22 an address that no Service has', { to: '10.96.9.9', port: 80, from: pod }, 'dropped', /range of cluster IPs/],
    ['SVC-33 a Local policy without endpoint here', { to: '10.96.0.3', port: 80, from: pod }, 'dropped', /Local policy finds no endpoint/],
    ['SVC-34 the same from outside', { to: '172.30.1.11', port: 30_081, from: outside }, 'dropped', /only its own 0 of 1/],
    ['SVC-38 the same from a pod of this node', { to: '172.30.1.11', port: 30_081, from: pod }, 'sent to 10.244.1.7:8080, source kept', /Usable endpoints: 10\.244\.1\.7:8080/],
    ['LB-3 a client that the ranges leave out', { to: '192.0.2.1', port: 80, from: outside }, 'dropped', /loadBalancerSourceRanges/],
    ['DNS to the server on this node', { to: '10.96.0.10', port: 53, protocol: 'UDP', from: pod }, 'rewritten to 172.30.1.11:10053 without connection tracking', /without connection tracking/],
    ['what is no Service', { to: '203.0.113.1', port: 443, from: pod }, 'left alone', /No Service has 203\.0\.113\.1:443/],
  ])('%s', async (_name, asked, outcome, why) => {
    await using run = await running(objects, { config })
    const explanation = (await run.proxy.explain(question(asked)))!
    expect(explanation.why.join(' ')).toMatch(why)
    expect([explanation.model.outcome, explanation.kernel?.outcome, explanation.strange]).toEqual([outcome, outcome, []])
    expect(explanation.kernel?.lines).toEqual(explanation.model.lines)
  })

  test('SVC-30 shows what another program took away, and rules that are not ours', async () => {
    const nft = new FakeNft()
    await using run = await running(objects, { config, nft })
    const ask = async (): Promise<Explanation> => (await run.proxy.explain(question({ to: '10.96.0.1', port: 80, from: pod })))!
    nft.commitForeign(new Transaction({ family: 'inet', name: tables.proxy }).deleteElements(sets[4].service, [{ key: [parseIp('10.96.0.1'), 6, 80] }]).addRule('prerouting', rule(eq(ip.saddr, '192.0.2.9'), drop)))
    const text = formatExplanation(await ask())
    expect(text).toContain('kernel: refused   (differs)')
    expect(text).toMatch(/not ours, and not followed here: chain prerouting: rule with handle \d+/)
    expect(text).toMatch(/ {2}x {5}- {4}service4: 10\.96\.0\.1 \. tcp \. 80 : 0:2/)
    nft.commitForeign(new Transaction({ family: 'inet', name: tables.proxy }).destroyTable())
    expect(formatExplanation(await ask())).toContain('kernel: it has no table of ours')
  })

  test('explainInWords() reads the question and refuses what it cannot', async () => {
    await using run = await running(objects, { config })
    const ask = async (query: string): Promise<string> => await explainInWords(run.proxy, { to: '', ...Object.fromEntries(new URLSearchParams(query)) })
    expect(await ask('to=10.96.0.1:80&protocol=tcp&from=10.244.0.9')).toContain('10.96.0.1:80 tcp from 10.244.0.9')
    expect(await ask('to=[fd00:10:96::1]:80')).toContain('[fd00:10:96::1]:80 tcp from this node')
    for (const query of ['', 'to=web:80', 'to=10.96.0.1:0', 'to=10.96.0.1:80&protocol=icmp', 'to=10.96.0.1:80&from=::1']) await expect(ask(query), query).rejects.toThrow(SyntaxError)
  })
})
