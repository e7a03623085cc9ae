import { parseCidr } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import { formatOverlap, overlapsOf, type RangeUse } from './range-use.ts'

const use = (kind: RangeUse['kind'], cidr: string, name?: string): RangeUse => ({ kind, name, cidr: parseCidr(cidr) })
const found = (...uses: readonly RangeUse[]): readonly string[] => overlapsOf(uses).map(formatOverlap)

const plain = [
  use('services', '10.96.0.0/12'), use('services', 'fd00:10:96::/112'), use('node', '192.0.2.1/32', 'n1'), use('node', '2001:db8::1/128', 'n1'), use('node', '192.0.2.2/32', 'n2'),
  use('pods', '10.244.0.0/24', 'n1'), use('pods', 'fd00:10:244::/64', 'n1'), use('pods', '10.244.1.0/24', 'n2'),
]

describe('overlapsOf()', () => {
  test('ranges of a plain cluster are apart, in whatever order they come', () => {
    expect(found(...plain)).toEqual([])
    expect(found(...plain.toReversed())).toEqual([])
  })

  test.each([
    ['pods in Services', use('pods', '10.96.1.0/24', 'n3'), '10.96.1.0/24 of pods on node "n3" overlaps 10.96.0.0/12 of Services'],
    ['Services in pods', use('pods', '10.0.0.0/9', 'n3'), '10.96.0.0/12 of Services overlaps 10.0.0.0/9 of pods on node "n3"'],
    ['a node in its own pods', use('pods', '192.0.2.2/31', 'n2'), '192.0.2.2 of node "n2" is in 192.0.2.2/31 of pods on node "n2"'],
    ['a node in Services', use('services', '2001:db8::/112'), '2001:db8::1 of node "n1" is in 2001:db8::/112 of Services'],
    ['the same pods twice', use('pods', '10.244.1.0/24', 'n3'), '10.244.1.0/24 of pods on node "n3" overlaps 10.244.1.0/24 of pods on node "n2"'],
    ['a pool in Services', use('pool', '10.100.0.0/16', 'default'), '10.100.0.0/16 of pool "default" overlaps 10.96.0.0/12 of Services'],
  ])('%s', (_, wrong, message) => {
    expect(found(...plain, wrong)).toEqual([message])
  })

  test('a range that holds many is told with each; one owner may have a range within another', () => {
    expect(found(use('services', '10.0.0.0/8'), use('services', '10.96.0.0/12'), use('pods', '10.244.0.0/24', 'n1'), use('pods', '10.96.0.0/24', 'n2'))).toEqual([
      '10.96.0.0/24 of pods on node "n2" overlaps 10.0.0.0/8 of Services',
      '10.96.0.0/24 of pods on node "n2" overlaps 10.96.0.0/12 of Services',
      '10.244.0.0/24 of pods on node "n1" overlaps 10.0.0.0/8 of Services',
    ])
  })
})
