import { toIpBlock, toNode } from '@weft/api'
import { formatCidr, formatIp, parseIp } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import { node, nodeName } from '../test/cluster.ts'
import { proxyConfigSchema } from './config.ts'
import { toServiceCidr } from './service-cidr.ts'
import { isSameNode, watchNode } from './watch-node.ts'

const here = toNode(node('here', { podCidrs: [] }))
const there = toNode(node('there', { ips: ['172.30.1.12'], podCidrs: ['10.244.1.0/24'] }))
const block = (cidr: string, owner: string): ReturnType<typeof toIpBlock> => toIpBlock({ metadata: { name: cidr.replaceAll(/[./]/g, '-') }, spec: { cidr, pool: 'default', node: owner } })

function show(...args: Parameters<typeof watchNode>): unknown {
  const model = watchNode(...args)
  if (model === undefined) return undefined
  const { ips, nodePortIps, podRanges, nearRanges, clusterRanges, serviceRanges } = model
  return { ips: ips.map(formatIp), nodePortIps: nodePortIps.map(formatIp), pods: podRanges.map(formatCidr), near: nearRanges.map(formatCidr), cluster: clusterRanges.map(formatCidr), services: serviceRanges.map(formatCidr) }
}

describe('watchNode()', () => {
  test('SVC-40 knows pods by the ranges of nodes, by blocks and by configuration; those of this node are near', () => {
    const sources = { nodes: [here, there], blocks: [block('10.245.0.0/26', 'here'), block('10.245.0.64/26', 'there'), block('10.245.9.0/26', '')], serviceCidrs: [toServiceCidr({ metadata: { name: 'k' }, spec: { cidrs: ['10.96.0.0/16'] } })] }
    const want = {
      ips: ['172.30.1.11', 'fd00:172:30:1::11'], nodePortIps: ['172.30.1.11', 'fd00:172:30:1::11'], pods: [], near: ['10.245.0.0/26', '172.30.1.11/32', 'fd00:172:30:1::11/128'],
      cluster: ['10.244.1.0/24', '10.245.0.0/25', '10.245.9.0/26', '10.250.0.0/16', '172.30.1.11/32', '172.30.1.12/32', 'fd00:172:30:1::11/128'], services: ['10.96.0.0/15'],
    }
    const config = proxyConfigSchema.parse({ clusterCidrs: ['10.250.0.0/16'], serviceCidrs: ['10.97.0.0/16', '10.96.128.0/17'] })
    expect(show(nodeName, sources, config)).toEqual(want)
    expect(show(nodeName, { ...sources, nodes: [there, here], blocks: sources.blocks.toReversed() }, config)).toEqual(want)
  })

  test('a range that would make every client a pod is left out', () => {
    const wide = toNode(node('wide', { ips: [], podCidrs: ['0.0.0.0/0', '::/0'] }))
    const self = toNode(node('here', { podCidrs: ['0.0.0.0/0', 'fd00:10:244::/64'] }))
    expect(show(nodeName, { nodes: [self], blocks: [], serviceCidrs: [] }, proxyConfigSchema.parse({}))).toMatchObject({ pods: ['fd00:10:244::/64'] })
    expect(show(nodeName, { nodes: [here, wide], blocks: [], serviceCidrs: [] }, proxyConfigSchema.parse({}))).toMatchObject({ cluster: ['172.30.1.11/32', 'fd00:172:30:1::11/128'] })
  })

  test.each([
    ['primary is the first InternalIP of each family', 'primary', ['172.30.1.11', 'fd00:172:30:1::11']],
    ['0.0.0.0/0 and ::/0 are all addresses of the node', ['0.0.0.0/0', '::/0'], ['172.30.1.11', '172.30.1.13', '192.0.2.5', '2001:db8::5', 'fd00:172:30:1::11']],
    ['a network is looked for in the Node object and on links', ['192.0.2.0/24', '172.30.1.13/32'], ['172.30.1.13', '192.0.2.5']],
  ])('SVC-70 nodePortAddresses: %s', (_name, nodePortAddresses, want) => {
    const self = toNode(node('here', { ips: ['172.30.1.11', '172.30.1.13', 'fd00:172:30:1::11'] }))
    const sources = { nodes: [self], blocks: [], serviceCidrs: [] }
    const local = ['2001:db8::5', '192.0.2.5', '172.30.1.11'].map((text) => parseIp(text))
    const config = proxyConfigSchema.parse({ nodePortAddresses })
    expect(show(nodeName, { ...sources, local }, config)).toMatchObject({ nodePortIps: want })
    expect(show(nodeName, { ...sources, local: local.toReversed() }, config)).toMatchObject({ nodePortIps: want })
  })

  test('is undefined while this node has no object', () => {
    expect(show(nodeName, { nodes: [there], blocks: [], serviceCidrs: [] }, proxyConfigSchema.parse({}))).toBeUndefined()
  })
})

describe('isSameNode()', () => {
  test('tells addresses and ranges from heartbeats', () => {
    expect(isSameNode(here, { ...here, ready: true, labels: { a: 'b' } })).toBe(true)
    expect([isSameNode(here, there), isSameNode(undefined, here), isSameNode(here, { ...here, podCidrs: there.podCidrs })]).toEqual([false, false, false])
  })
})

describe('proxyConfigSchema', () => {
  test('refuses unknown keys and what is no network', () => {
    expect(proxyConfigSchema.safeParse({ serviceCidr: [] }).success).toBe(false)
    expect(proxyConfigSchema.safeParse({ serviceCidrs: ['10.96.0.1/16'] }).error?.issues.map(({ path }) => path)).toEqual([['serviceCidrs', 0]])
  })
})
