import { ipFromBits, parseCidr } from '@weft/ip'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  accept, baseChain, bitAnd, bitOr, bitXor, chain, comment, concat, diffElements, eq, formatRule, formatTable, ip, ip6, isIn, jump, log, map, meta, ne, NftError, oneOf, range, replaceBits, rule, set, setMark,
  type Comment, type Statement, table, tcp, th, Transaction, typeOf, type Value,
} from './index.ts'
import { dataType } from './data-type.ts'
import { layoutOf, putTuple } from './layout.ts'
import { readTuple } from './read-value.ts'
import { formatTuple } from './format-value.ts'

const text = (...parts: readonly (Statement | Comment)[]): string => formatRule('inet', rule(...parts))

function code(run: () => unknown): string | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof NftError) return error.code
    throw error
  }
  return undefined
}

describe('formatRule()', () => {
  test('formatRule() names the transport where the rule knows it, as nft does', () => {
    expect(text(eq(meta.l4proto, 'tcp'), eq(th.dport, 80), accept)).toBe('tcp dport 80 accept')
    expect(text(oneOf(meta.l4proto, ['udp', 'tcp']), eq(th.dport, 80), accept)).toBe('meta l4proto { tcp, udp } th dport 80 accept')
    expect(text(eq(meta.l4proto, 'tcp'), setMark(1), eq(th.dport, 80))).toBe('meta l4proto tcp meta mark set 0x00000001 tcp dport 80')
    expect(text(eq(meta.nfproto, 'ipv4'), eq(ip.daddr, '10.0.0.1'))).toBe('ip daddr 10.0.0.1')
    expect(formatRule('ip', rule(eq(ip.daddr, '10.0.0.1')))).toBe('ip daddr 10.0.0.1')
  })

  test('formatRule() folds a set of one into a match', () => {
    expect(text(oneOf(tcp.dport, [80]))).toBe('tcp dport 80')
    expect(text(oneOf(concat(ip.saddr, th.dport), [['10.0.0.1', 80]]))).toBe('ip saddr . th dport { 10.0.0.1 . 80 }')
  })

  test('bitAnd(), bitOr(), bitXor() and replaceBits() fold into one mask and xor', () => {
    expect(text(setMark(bitOr(bitAnd(meta.mark, 0xff), 0x100)))).toBe('meta mark set meta mark & 0x000001ff | 0x00000100')
    expect(text(setMark(replaceBits(meta.mark, 0x4000, 0x4000)))).toBe('meta mark set meta mark | 0x00004000')
    expect(text(setMark(bitXor(bitXor(meta.mark, 5), 5)))).toBe('meta mark set meta mark')
    fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom(bitAnd, bitOr, bitXor), fc.nat(0xffffffff))), fc.nat(0xffffffff), (steps, start) => {
      let expected = start
      let folded = bitOr(meta.mark, 0)
      for (const [step, bits] of steps) {
        folded = step(folded, bits)
        expected = (step === bitAnd ? expected & bits : step === bitOr ? expected | bits : expected ^ bits) >>> 0
      }
      expect(((start & folded.mask) ^ folded.xor) >>> 0).toBe(expected)
    }))
  })

  test('formatRule() refuses a rule that no packet can match', () => {
    expect(code(() => text(eq(ip.saddr, '10.0.0.1'), eq(ip6.daddr, 'fd00::1')))).toBe('ERR_NFT_TYPE_MISMATCH')
    expect(code(() => formatRule('ip', rule(eq(ip6.daddr, 'fd00::1'))))).toBe('ERR_NFT_TYPE_MISMATCH')
  })
})

describe('hostile input', () => {
  const hostile = ['x"; flush ruleset; "', 'a\nb', '', '-dash', 'ü', 'a b', '$(reboot)', 'x'.repeat(300), 'a{b}', '10.0.0.1; drop']

  test('names, comments and values never reach the text unchecked', () => {
    for (const name of hostile) {
      expect(code(() => chain(name))).toBe('ERR_NFT_NAME_INVALID')
      expect(code(() => set(name, { key: ['mark'] }))).toBe('ERR_NFT_NAME_INVALID')
      expect(code(() => text(eq(ip.daddr, name)))).toBe('ERR_NFT_VALUE_INVALID')
      expect(code(() => text(eq(meta.iifname, `${name} `)))).toBe('ERR_NFT_VALUE_INVALID')
      expect(code(() => text(eq(meta.l4proto, name)))).toBe('ERR_NFT_VALUE_INVALID')
      expect(code(() => text(jump(name)))).toBe('ERR_NFT_NAME_INVALID')
      expect(code(() => text(isIn(ip.saddr, name)))).toBe('ERR_NFT_NAME_INVALID')
    }
    expect(code(() => rule(comment('say "hi"')))).toBe('ERR_NFT_NAME_INVALID')
    expect(code(() => text(log({ prefix: 'a"b' })))).toBe('ERR_NFT_NAME_INVALID')
  })

  test('values are of their type or refused', () => {
    const bad: readonly (readonly [Parameters<typeof eq>[0], Value])[] = [
      [tcp.dport, 65_536], [tcp.dport, -1], [tcp.dport, 1.5], [tcp.dport, '80'], [ip.saddr, 'fd00::1'], [ip.saddr, '010.1.1.1'], [ip.saddr, '10.0.0.1/8'], [ip.saddr, 5],
      [ip6.saddr, parseCidr('10.0.0.0/8')], [meta.mark, 2 ** 32], [tcp.dport, range(5, 3)], [meta.iifname, 'sixteen-letters-x'],
    ]
    expect(bad.map(([left, right]) => code(() => text(eq(left, right))))).toEqual(bad.map(() => 'ERR_NFT_VALUE_INVALID'))
  })

  test('tuples have as many parts as their key', () => {
    const tx = new Transaction({ family: 'inet', name: 'x' })
    const pairs = set('pairs', { key: ['ipv4_addr', 'inet_service'], elements: [{ key: '10.0.0.1' }] })
    expect(code(() => diffElements(tx, pairs, []))).toBe('ERR_NFT_TYPE_MISMATCH')
  })
})

describe('formatTable()', () => {
  test('formatTable() orders elements as nft lists them', () => {
    const sorted = table({
      name: 'x',
      sets: [
        set('ports', { key: ['inet_service'], elements: [300, 7, 6, 5, 4, 2].map((key) => ({ key })) }),
        set('pairs', { key: ['ipv4_addr', 'inet_proto'], elements: [{ key: ['10.0.0.1', 'udp'] }, { key: ['10.0.0.2', 'tcp'] }, { key: ['9.0.0.2', 'tcp'] }] }),
      ],
      chains: [baseChain('c', { type: 'filter', hook: 'prerouting', priority: -150 }, [rule(ne(meta.mark, range(1, 2)))])],
    })
    expect(formatTable(sorted)).toBe(`table inet x {
\tset ports {
\t\ttype inet_service
\t\telements = { 2, 4, 5, 6, 7,
\t\t\t     300 }
\t}

\tset pairs {
\t\ttype ipv4_addr . inet_proto
\t\telements = { 9.0.0.2 . tcp,
\t\t\t     10.0.0.2 . tcp,
\t\t\t     10.0.0.1 . udp }
\t}

\tchain c {
\t\ttype filter hook prerouting priority mangle; policy accept;
\t\tmeta mark != 0x00000001-0x00000002
\t}
}
`)
  })

  test('typeOf() declares keys that have no type name', () => {
    const choices = map('choices', { key: typeOf(ip.daddr, th.dport), data: ['ipv4_addr', 'inet_service'] })
    expect(formatTable(table({ name: 'x', maps: [choices] }))).toContain('typeof ip daddr . th dport : ip daddr . th dport')
  })
})

test('readTuple() reads what putTuple() wrote', () => {
  const part = fc.oneof(
    fc.record({ type: fc.constant('ipv4_addr' as const), value: fc.nat(0xffffffff).map((bits): Value => ipFromBits(4, BigInt(bits))) }),
    fc.record({ type: fc.constant('ipv6_addr' as const), value: fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((bits): Value => ipFromBits(6, bits)) }),
    fc.record({ type: fc.constant('inet_service' as const), value: fc.nat(65_535).map((port): Value => port) }),
    fc.record({ type: fc.constant('inet_proto' as const), value: fc.constantFrom<Value>('tcp', 'udp', 'sctp', 99) }),
    fc.record({ type: fc.constant('mark' as const), value: fc.nat(0xffffffff).map((mark): Value => mark) }),
    fc.record({ type: fc.constant('ifname' as const), value: fc.stringMatching(/^[a-z][a-z0-9.]{0,14}$/).map((name): Value => name) }),
  )
  fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
    const layout = layoutOf(parts.map(({ type }) => type))
    const view = new DataView(new ArrayBuffer(64))
    const tuple = parts.map(({ value }) => value)
    putTuple(layout, tuple, view)
    const back = readTuple(layout, new Uint8Array(view.buffer, 0, layout.length))
    expect(formatTuple(layout.parts.map(({ type }) => dataType(type.name).name), back)).toBe(formatTuple(layout.parts.map(({ type }) => type.name), tuple))
  }))
})
