import { describe, expect, test } from 'vitest'
import { planTopology } from './topology.ts'

describe('planTopology()', () => {
  test('puts n1 and n2 on one segment and n3 behind the router', () => {
    const { nodes, control, outside } = planTopology(3, 'dual')
    expect(nodes).toEqual([
      { name: 'n1', segment: 'a', addresses: ['172.30.1.11/24', 'fd00:172:30:1::11/64'], gateways: ['172.30.1.1', 'fd00:172:30:1::1'] },
      { name: 'n2', segment: 'a', addresses: ['172.30.1.12/24', 'fd00:172:30:1::12/64'], gateways: ['172.30.1.1', 'fd00:172:30:1::1'] },
      { name: 'n3', segment: 'b', addresses: ['172.30.2.13/24', 'fd00:172:30:2::13/64'], gateways: ['172.30.2.1', 'fd00:172:30:2::1'] },
    ])
    expect(control.addresses).toEqual(['172.30.1.250/24', 'fd00:172:30:1::250/64'])
    expect(outside.addresses).toEqual(['203.0.113.10/24', '2001:db8:113::10/64'])
  })

  test('always has a routed way from two nodes on, and fills both segments', () => {
    const segments = (count: number): string => planTopology(count, 'ipv4').nodes.map(({ segment }) => segment).join('')
    expect([1, 2, 3, 4, 5, 6].map(segments)).toEqual(['a', 'ab', 'aab', 'aabb', 'aabba', 'aabbab'])
  })

  test('has addresses of the asked families only, all different', () => {
    expect(planTopology(2, 'ipv6').nodes[0]!.addresses).toEqual(['fd00:172:30:1::11/64'])
    const { nodes, control, outside, segments } = planTopology(64, 'dual')
    const all = [...nodes.flatMap(({ addresses }) => addresses), ...control.addresses, ...outside.addresses, ...segments.flatMap(({ router }) => router)]
    expect(new Set(all).size).toBe(all.length)
  })

  test('refuses what it cannot address', () => {
    for (const count of [0, -1, 65, 1.5, Number.NaN]) expect(() => planTopology(count, 'dual')).toThrow(/Cannot plan a sandbox/)
  })
})
