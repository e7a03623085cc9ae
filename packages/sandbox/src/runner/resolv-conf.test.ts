import { describe, expect, test } from 'vitest'
import type { PodSpec } from './pod-object.ts'
import { podResolvConf } from './resolv-conf.ts'

const facts = { servers: ['10.96.0.10'], domain: 'cluster.local', nodeText: '# of the node\nsearch example.com\nnameserver 192.0.2.1\noptions timeout:1\n' }
const conf = (spec: Partial<PodSpec>): string => podResolvConf({ metadata: { name: 'p', namespace: 'shop', uid: 'u', resourceVersion: '1' }, spec: { containers: [], ...spec } }, facts)

describe('podResolvConf()', () => {
  test('asks the cluster by default', () => {
    expect(conf({})).toBe('search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n')
  })

  test('follows the node with Default, and on the host network with ClusterFirst', () => {
    const node = 'search example.com\nnameserver 192.0.2.1\noptions timeout:1\n'
    expect(conf({ dnsPolicy: 'Default' })).toBe(node)
    expect(conf({ dnsPolicy: 'ClusterFirst', hostNetwork: true })).toBe(node)
    expect(conf({ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true })).toContain('10.96.0.10')
  })

  test('adds dnsConfig, whose options win; None has nothing else', () => {
    const dnsConfig = { nameservers: ['192.0.2.9'], searches: ['a.b'], options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }] }
    expect(conf({ dnsPolicy: 'None', dnsConfig })).toBe('search a.b\nnameserver 192.0.2.9\noptions ndots:2 edns0\n')
    expect(conf({ dnsConfig })).toBe('search shop.svc.cluster.local svc.cluster.local cluster.local a.b\nnameserver 10.96.0.10\nnameserver 192.0.2.9\noptions ndots:2 edns0\n')
  })
})
