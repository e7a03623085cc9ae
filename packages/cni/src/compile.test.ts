import { readFileSync, writeFileSync } from 'node:fs'
import { parseCidr, parseIp, parseIpv4, parseIpv6 } from '@weft/ip'
import { formatTable, type Table } from '@weft/nftables'
import { describe, expect, it } from 'vitest'
import { type BridgeModel, compileBridgeTable } from './compile-bridge.ts'
import { compileTable } from './compile.ts'
import type { CniModel } from './model.ts'

const node = { 4: parseIpv4('172.30.1.11'), 6: parseIpv6('fd00:172:30:1::11') }
const cases: Readonly<Record<string, CniModel>> = {
  'no-host-ports': { hostPorts: [], node },
  'masquerade': { hostPorts: [], node, masquerade: ['10.244.1.0/24', 'fd00:10:244:1::/64'].map(parseCidr) },
  'limits': {
    hostPorts: [], node,
    limits: [
      { hostIfname: 'weft0123456789a', direction: 'ingress', bytesPerSecond: 1_000_000, burstBytes: 50_000 },
      { hostIfname: 'weft0123456789a', direction: 'egress', bytesPerSecond: 1_250_000, burstBytes: 100_000 },
    ],
  },
  'ipv4-node': { hostPorts: [], node: { 4: node[4] } },
  'host-ports': {
    node,
    hostPorts: [
      { protocol: 'TCP', hostPort: 8080, hostIp: undefined, podIp: parseIp('10.244.1.5'), containerPort: 80 },
      { protocol: 'TCP', hostPort: 8080, hostIp: undefined, podIp: parseIp('fd00:10:244:1::5'), containerPort: 80 },
      { protocol: 'UDP', hostPort: 53, hostIp: parseIp('172.30.1.11'), podIp: parseIp('10.244.1.5'), containerPort: 5353 },
      { protocol: 'SCTP', hostPort: 9999, hostIp: parseIp('fd00:172:30:1::11'), podIp: parseIp('fd00:10:244:1::6'), containerPort: 9 },
    ],
  },
}

const bridges: Readonly<Record<string, BridgeModel>> = {
  'no-ports': { ports: [], limits: [] },
  'ports': { ports: [{ hostIfname: 'weft0123456789a', ips: [parseIp('10.244.1.5'), parseIp('fd00:10:244:1::5')] }, { hostIfname: 'weft0123456789b', ips: [parseIp('10.244.1.6')] }], limits: cases['limits']!.limits! },
}

function expectGolden(name: string, table: Table): void {
  const golden = new URL(`../test/golden/${name}.nft`, import.meta.url)
  const text = formatTable(table)
  if (process.env['GOLDEN'] === 'write') writeFileSync(golden, text)
  expect(text).toBe(readFileSync(golden, 'utf8'))
}

// oxlint-disable vitest/expect-expect -- expectGolden() does
describe('compileTable()', () => {
  it.each(Object.keys(cases))('%s is as the golden says (NET-27, NET-33)', (name) => {
    expectGolden(name, compileTable(cases[name]!))
  })
})

describe('compileBridgeTable()', () => {
  it.each(Object.keys(bridges))('%s is as the golden says', (name) => {
    expectGolden(`bridge-${name}`, compileBridgeTable(bridges[name]!))
  })
})
