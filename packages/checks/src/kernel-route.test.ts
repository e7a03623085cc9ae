import { parseNodeName } from '@weft/api'
import { formatCidr, parseIp } from '@weft/ip'
import { expect, test } from 'vitest'
import { Asker } from './ask.ts'
import type { Cluster } from './cluster.ts'
import { formatKernelRoute, kernelRoutes, routeTo } from './kernel-route.ts'

// Recorded on a node of a three-node sandbox, Linux 6.18.
const files = [
  `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t01011EAC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001F40A\t0C011EAC\t0003\t0\t0\t1024\t00FFFFFF\t0\t0\t0
vxlan.weft\t0002F40A\t0002F40A\t0003\t0\t0\t1024\t00FFFFFF\t0\t0\t0
`,
  `fd000010024400010000000000000000 40 00000000000000000000000000000000 00 fd000172003000010000000000000012 00000400 00000001 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`,
]

test('kernelRoutes() reads both families as the kernel shows them', async () => {
  const cluster = { ask: async () => ({ code: 0, stdout: JSON.stringify([{ ok: true, answers: files, ms: 1 }]), stderr: '' }) } as unknown as Cluster
  const routes = await kernelRoutes(new Asker(cluster, new AbortController().signal), parseNodeName('n1'))
  expect(routes.map(({ destination }) => formatCidr(destination))).toEqual(['0.0.0.0/0', '10.244.1.0/24', '10.244.2.0/24', 'fd00:10:244:1::/64', '::/0'])
  expect(formatKernelRoute(routeTo(routes, parseIp('10.244.1.7')))).toBe('via 172.30.1.12 dev eth0')
  expect(formatKernelRoute(routeTo(routes, parseIp('10.244.2.7')))).toBe('via 10.244.2.0 dev vxlan.weft')
  expect(formatKernelRoute(routeTo(routes, parseIp('fd00:10:244:1::5')))).toBe('via fd00:172:30:1::12 dev eth0')
  expect(() => routeTo(routes, parseIp('2001:db8::1'))).toThrow('no route leads to 2001:db8::1')
})
