import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Cidr, cidrContains, compareCidr, formatCidr, parseCidr } from './cidr.ts'
import { type IpAddress, parseIp } from './ip-address.ts'
import { PrefixTrie } from './prefix-trie.ts'
import { anyCidr, anyIp, smallCidr } from './testing/arbitrary.ts'

/** The slow and obvious reference: a list. */
class ListOfPrefixes {
  readonly #list = new Map<string, { readonly cidr: Cidr, readonly value: number }>()

  set(cidr: Cidr, value: number): void {
    this.#list.set(formatCidr(cidr), { cidr, value })
  }

  get(cidr: Cidr): number | undefined {
    return this.#list.get(formatCidr(cidr))?.value
  }

  delete(cidr: Cidr): boolean {
    return this.#list.delete(formatCidr(cidr))
  }

  lookup(ip: IpAddress): { readonly cidr: Cidr, readonly value: number } | undefined {
    return [...this.#list.values()].filter(({ cidr }) => cidrContains(cidr, ip)).sort((a, b) => b.cidr.prefix - a.cidr.prefix)[0]
  }

  entries(): (readonly [Cidr, number])[] {
    return [...this.#list.values()].sort((a, b) => compareCidr(a.cidr, b.cidr)).map(({ cidr, value }) => [cidr, value] as const)
  }
}

const cidr = fc.oneof(smallCidr(4), smallCidr(6), anyCidr)
const command = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('set' as const), cidr, value: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), cidr }) },
)

describe('PrefixTrie', () => {
  test('does what a list does, after any changes (T1, T2)', () => {
    fc.assert(fc.property(fc.array(command, { maxLength: 60 }), fc.array(anyIp, { maxLength: 5 }), (commands, ips) => {
      const trie = new PrefixTrie<number>()
      const list = new ListOfPrefixes()
      for (const change of commands) {
        if (change.kind === 'set') {
          trie.set(change.cidr, change.value)
          list.set(change.cidr, change.value)
        } else {
          expect(trie.delete(change.cidr)).toBe(list.delete(change.cidr))
        }
      }
      const entries = list.entries()
      expect([...trie.entries()]).toEqual(entries)
      expect(trie.size).toBe(entries.length)
      for (const change of commands) {
        expect(trie.get(change.cidr)).toBe(list.get(change.cidr))
        const ip = { family: change.cidr.family, bits: change.cidr.bits } as IpAddress
        expect(trie.lookup(ip)).toEqual(list.lookup(ip))
      }
      for (const ip of ips) expect(trie.lookup(ip)).toEqual(list.lookup(ip))
    }), { numRuns: 300 })
  })

  test('lookup() prefers the longest match, and an address to its network (T1)', () => {
    const trie = new PrefixTrie<string>()
    for (const text of ['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.0.5/32', '::/0']) trie.set(parseCidr(text), text)
    expect(['10.1.0.5', '10.1.0.6', '10.2.0.1', '8.8.8.8', 'fd00::1'].map((ip) => trie.lookup(parseIp(ip))?.value)).toEqual(['10.1.0.5/32', '10.1.0.0/16', '10.0.0.0/8', '0.0.0.0/0', '::/0'])
  })

  test('lookup() finds nothing in the other family or in an empty trie', () => {
    const trie = new PrefixTrie<number>()
    expect(trie.lookup(parseIp('10.0.0.1'))).toBeUndefined()
    trie.set(parseCidr('::/0'), 1)
    expect(trie.lookup(parseIp('10.0.0.1'))).toBeUndefined()
  })

  test('a value of undefined is a value', () => {
    const trie = new PrefixTrie<undefined>()
    trie.set(parseCidr('10.0.0.0/8'), undefined)
    expect([trie.size, trie.lookup(parseIp('10.0.0.1'))?.cidr, trie.delete(parseCidr('10.0.0.0/8')), trie.size]).toEqual([1, parseCidr('10.0.0.0/8'), true, 0])
  })
})
