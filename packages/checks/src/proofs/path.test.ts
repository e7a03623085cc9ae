import { parseNodeName } from '@weft/api'
import { parseCidr, parseIp } from '@weft/ip'
import { expect, test } from 'vitest'
import type { ClusterNode } from '../cluster.ts'
import type { KernelRoute } from '../kernel-route.ts'
import { ensurePath, placementOf } from './path.ts'

const node = (name: string, link: string): ClusterNode => ({ name: parseNodeName(name), ips: [], link })
const [n1, n2, n3] = [node('n1', 'a'), node('n2', 'a'), node('n3', 'b')] as const
const through = (device: string): KernelRoute => ({ destination: parseCidr('10.244.1.0/24'), device, via: undefined })

test('ensurePath() wants the tunnel across a router and nowhere else', () => {
  const cluster = { tunnel: 'vxlan.weft' }
  ensurePath(cluster, n1, n2, through('eth0'))
  ensurePath(cluster, n1, n3, through('vxlan.weft'))
  expect(() => ensurePath(cluster, n1, n2, through('vxlan.weft'))).toThrow('n1 sends to n2 dev vxlan.weft, wanted their common link')
  expect(() => ensurePath(cluster, n1, n3, through('eth0'))).toThrow('n1 sends to n3 dev eth0, wanted dev vxlan.weft: a router is between them')
})

test('ensurePath() judges nothing where the cluster does not know', () => {
  expect(() => ensurePath({}, n1, n2, through('flannel.1'))).not.toThrow()
  expect(() => ensurePath({}, n1, n3, through('eth0'))).not.toThrow()
})

test('placementOf() believes the cluster, and the kernel where nobody knows', async () => {
  const kernel: readonly KernelRoute[] = [
    { destination: parseCidr('0.0.0.0/0'), device: 'eth0', via: parseIp('192.0.2.1') },
    { destination: parseCidr('192.0.2.0/24'), device: 'eth0', via: undefined },
  ]
  const context = { routes: async () => await Promise.resolve(kernel) }
  const at = (name: string, ip: string): ClusterNode => ({ name: parseNodeName(name), ips: [parseIp(ip)] })
  const [here, near, far] = [at('a', '192.0.2.7'), at('b', '192.0.2.8'), at('c', '198.51.100.8')]
  expect(await Promise.all([here, near, far].map((to) => placementOf(context, here, to, 4)))).toEqual(['on one node', 'on one link', 'across a router'])
  expect(await Promise.all([n1, n2, n3].map((to) => placementOf({ routes: () => Promise.reject(new Error('not asked')) }, n1, to, 4)))).toEqual(['on one node', 'on one link', 'across a router'])
})
