import { baseChain, chain, drop, jump, rule, table, type TableName, Transaction } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { describeLeftovers, findLeftovers, removeLeftovers } from './leftovers.ts'
import { takeOver } from './takeover.ts'

const prerouting = { type: 'nat', hook: 'prerouting', priority: -100 } as const

/** What iptables-nft shows of a node where kube-proxy ran in its iptables mode, beside the kubelet and another program. */
const nat = table({
  family: 'ip', name: 'nat',
  chains: [
    chain('KUBE-SEP-AAAA', [rule(jump('KUBE-MARK-MASQ'))]), chain('KUBE-SVC-BBBB', [rule(jump('KUBE-SEP-AAAA'))]), chain('KUBE-SERVICES', [rule(jump('KUBE-SVC-BBBB'))]),
    chain('KUBE-MARK-MASQ', [rule(jump('KUBE-EXT-CCCC'))]), chain('KUBE-EXT-CCCC', []), chain('KUBE-KUBELET-CANARY', []), chain('KUBE-FIREWALL', [rule(drop)]),
    chain('CNI-HOSTPORT', [rule(jump('KUBE-MARK-MASQ'))]),
    baseChain('PREROUTING', prerouting, [rule(jump('KUBE-SERVICES')), rule(jump('CNI-HOSTPORT')), rule(jump('KUBE-FIREWALL'))]),
  ],
})

function nodeWith(...found: readonly ReturnType<typeof table>[]): FakeNft {
  const nft = new FakeNft()
  // Chains before the rules that name them, whatever their order above.
  for (const each of found) nft.commit(new Transaction(each).addAll(each))
  return nft
}

const nothing = async (): Promise<string> => await Promise.resolve('')

describe('findLeftovers() and removeLeftovers()', () => {
  test('LIFE-11 remove the tables of the nftables mode, and nothing where nothing is', async () => {
    const own = (['ip', 'ip6'] as const).map((family) => table({ family, name: 'kube-proxy', chains: [chain('services', [])] }))
    const nft = nodeWith(...own, table({ family: 'inet', name: 'other' }))
    const found = await findLeftovers(nft, nothing)
    expect(describeLeftovers(found)).toEqual(['table ip kube-proxy', 'table ip6 kube-proxy'])
    removeLeftovers(nft, found)
    expect(nft.text).toBe('table inet other {\n}\n')
    const { commits } = nft
    removeLeftovers(nft, await findLeftovers(nft, nothing))
    expect(nft.commits).toBe(commits)
  })

  test('LIFE-8, LIFE-11 remove chains of the iptables mode; what is the kubelet\'s or used by others stays', async () => {
    const nft = nodeWith(nat)
    const found = await findLeftovers(nft, nothing)
    expect(describeLeftovers(found)).toEqual([
      'table ip nat of iptables: 3 chains of kube-proxy (KUBE-SEP-AAAA, KUBE-SVC-BBBB, KUBE-SERVICES)',
      'table ip nat of iptables: KUBE-MARK-MASQ, KUBE-EXT-CCCC cannot be removed, as rules of another program lead there',
    ])
    const { commits } = nft
    removeLeftovers(nft, found)
    expect(nft.commits - commits).toBe(1)
    expect(nft.table('ip', 'nat')!.chains.map(({ name, rules }) => [name, rules.length])).toEqual([
      ['KUBE-MARK-MASQ', 1], ['KUBE-EXT-CCCC', 0], ['KUBE-KUBELET-CANARY', 0], ['KUBE-FIREWALL', 1], ['CNI-HOSTPORT', 1], ['PREROUTING', 2],
    ])
  })

  test('LIFE-11 tell of what nft netlink cannot remove', async () => {
    const files: Readonly<Record<string, string>> = {
      '/proc/self/net/ip_tables_names': 'nat\nraw\n',
      '/proc/self/net/ip_vs': 'IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\nTCP  0A600001:01BB rr\n  -> AC1E010B:192B      Masq    1      1          0\n',
    }
    const found = await findLeftovers({ graph: (_family: TableName['family']) => undefined, commit: () => { throw new Error('reads only') } }, async (path) => await Promise.resolve(files[path] ?? ''))
    expect(describeLeftovers(found)).toEqual([expect.stringMatching(/^iptables-legacy is in use \(tables nat\)/), expect.stringMatching(/^IPVS has 1 virtual servers/)])
  })
})

describe('takeOver()', () => {
  test('LIFE-11 removes what is there when our rules stand, not what was there when it was asked for', async () => {
    const nft = nodeWith(nat)
    let stands = false
    // kube-proxy, which should have been stopped, writes its rule anew: it has another handle.
    const settled = async (): Promise<void> => {
      const jumps = nft.graph('ip', 'nat')!.jumps.filter(({ to }) => to === 'KUBE-SERVICES')
      const rewritten = new Transaction({ family: 'ip', name: 'nat' }).deleteRule('PREROUTING', jumps[0]!.handle).addRule('PREROUTING', rule(jump('KUBE-SERVICES')))
      nft.commit(rewritten)
      await Promise.resolve()
      stands = true
    }
    const kernel = {
      graph: (...[family, name]: Parameters<FakeNft['graph']>) => nft.graph(family, name),
      commit: (transaction: Transaction) => {
        expect(stands).toBe(true)
        nft.commit(transaction)
      },
    }
    expect(await takeOver({ nft: kernel, proxy: { settled, whenReady: settled } })).toMatch(/^removed:\n {2}table ip nat of iptables: 3 chains/)
    expect(nft.graph('ip', 'nat')!.jumps.map(({ to }) => to)).not.toContain('KUBE-SERVICES')
  })
})
