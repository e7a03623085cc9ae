import { BlockList } from 'node:net'
import { Address4, Address6 } from 'ip-address'
import { type BenchCase, interleave } from '@weft/daemon/bench'
import { type Cidr, cidrFrom, firstIp } from '../src/cidr.ts'
import { formatIp, type IpAddress, ipFromBits, parseIp } from '../src/ip-address.ts'
import { PrefixTrie } from '../src/prefix-trie.ts'

const rounds = 15

interface Contest {
  readonly name: string
  readonly size: string
  readonly peerName: string
  /** The most we may take of the peer's time. */
  readonly goalRatio: number
  /** Each does its work and says how many operations that was. */
  readonly ours: () => number
  readonly peer: () => number
}

function each<T>(values: readonly T[], run: (value: T) => unknown): () => number {
  return () => {
    for (const value of values) run(value)
    return values.length
  }
}

/** Addresses as a cluster has them: pods of many nodes, in both families. */
function addresses(count: number): { readonly v4: readonly IpAddress[], readonly v6: readonly IpAddress[] } {
  const numbers = Array.from({ length: count }, (_, index) => BigInt(index))
  return {
    v4: numbers.map((number) => ipFromBits(4, 0x0af4_0000n + number * 7n)),
    v6: numbers.map((number) => ipFromBits(6, (0xfd00_0010_0244_0000n << 64n) + ((number % 500n) << 64n) + number * 7n)),
  }
}

async function measure({ name, size, peerName, goalRatio, ours, peer }: Contest): Promise<BenchCase> {
  const timed = (run: () => number) => (): number => {
    const started = performance.now()
    const count = run()
    return ((performance.now() - started) * 1e6) / count
  }
  const figures = await interleave({ rounds, ours: timed(ours), peer: timed(peer) })
  const ratio = figures.ours / figures.peer
  return { name, size, unit: 'ns', ...figures, peer_name: peerName, ratio, goal: `ratio <= ${goalRatio}`, ok: ratio <= goalRatio }
}

function textCases(count: number): Contest[] {
  const { v4, v6 } = addresses(count)
  const [text4, text6] = [v4.map(formatIp), v6.map(formatIp)]
  const size = `${count} addresses`
  const [peerName, goalRatio] = ['ip-address', 0.5]
  return [
    { name: 'parse IPv4', size, peerName, goalRatio, ours: each(text4, parseIp), peer: each(text4, (text) => new Address4(text).bigInt()) },
    { name: 'parse IPv6', size, peerName, goalRatio, ours: each(text6, parseIp), peer: each(text6, (text) => new Address6(text).bigInt()) },
    { name: 'print IPv4', size, peerName, goalRatio, ours: each(v4, formatIp), peer: each(v4, ({ bits }) => Address4.fromBigInt(bits).correctForm()) },
    { name: 'print IPv6', size, peerName, goalRatio, ours: each(v6, formatIp), peer: each(v6, ({ bits }) => Address6.fromBigInt(bits).correctForm()) },
  ]
}

/** The node of a pod: one network per node, asked for every address. */
function lookupCase(networks: number, family: 4 | 6): Contest {
  const node = (index: number): Cidr => family === 4
    ? cidrFrom(ipFromBits(4, 0x0a00_0000n + (BigInt(index) << 8n)), 24)
    : cidrFrom(ipFromBits(6, (0xfd00_0010_0244_0000n + BigInt(index)) << 64n), 64)
  const cidrs = Array.from({ length: networks }, (_, index) => node(index))
  const trie = new PrefixTrie<number>()
  for (const [index, cidr] of cidrs.entries()) trie.set(cidr, index)
  const asked = cidrs.map(({ bits }) => ipFromBits(family, bits + 5n))
  const blockList = new BlockList()
  for (const cidr of cidrs) blockList.addSubnet(formatIp(firstIp(cidr)), cidr.prefix, family === 4 ? 'ipv4' : 'ipv6')
  const askedText = asked.map(formatIp)
  return {
    name: `longest match IPv${family}`,
    size: `${networks} networks`,
    // Native code, which only says yes or no.
    peerName: 'node:net BlockList.check',
    goalRatio: 1,
    ours: each(asked, (ip) => trie.lookup(ip)),
    peer: each(askedText, (text) => blockList.check(text, family === 4 ? 'ipv4' : 'ipv6')),
  }
}

export async function cases(): Promise<BenchCase[]> {
  const contests = [...textCases(10_000), lookupCase(100, 4), lookupCase(10_000, 4), lookupCase(10_000, 6)]
  const results: BenchCase[] = []
  for (const contest of contests) results.push(await measure(contest))
  return results
}
