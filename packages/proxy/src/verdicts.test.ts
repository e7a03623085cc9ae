import { type IpBlock, ipBlockName, tables, toIpBlock } from '@weft/api'
import { formatIp } from '@weft/ip'
import { Store } from '@weft/kube'
import { Transaction } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { node } from '../test/cluster.ts'
import { running, type Running } from '../test/running.ts'
import { addresses, type Origin, sixOf, verdictCluster, verdictConfig, verdicts } from '../test/verdicts.ts'
import { sets } from './sets.ts'

const origins = Object.keys(addresses) as Origin[]

/** Where pods of this node get their addresses: out of ranges that stand in chains, or out of blocks that come and go. */
const clusters = {
  'ranges of nodes': { objects: verdictCluster, deps: {} },
  'blocks': { objects: [...verdictCluster, node('here', { podCidrs: [] })], deps: { blocks: blocksOf('10.244.0.0/24', 'fd00:10:244::/64') } },
} as const

function blocksOf(...ranges: readonly string[]): Store<IpBlock> {
  const blocks = new Store<IpBlock>()
  blocks.replace(ranges.map((cidr) => toIpBlock({ metadata: { name: ipBlockName(cidr) }, spec: { cidr, pool: 'default', node: 'here' } })))
  return blocks
}

const families = [['IPv4', (host: string) => host], ['IPv6', sixOf]] as const
for (const [family, of, ranges] of families.flatMap(([name, map]) => (['ranges of nodes', 'blocks'] as const).map((each) => [name, map, each] as const))) {
  describe(`verdicts, traced, ${family}, ${ranges}`, () => {
    const nft = new FakeNft()
    let run: Running

    beforeAll(async () => {
      run = await running(clusters[ranges].objects, { nft, config: verdictConfig, deps: clusters[ranges].deps })
    })

    afterAll(async () => {
      await run[Symbol.asyncDispose]()
    })

    const local = origins.filter((origin) => origin === 'node').map((origin) => of(addresses[origin]))
    const nameOf = (address: Parameters<typeof formatIp>[0] | undefined): string => origins.find((origin) => address !== undefined && of(addresses[origin]) === formatIp(address)) ?? 'nobody'

    for (const protocol of ['tcp', 'udp', 'sctp'] as const) {
      test.each(verdicts)(`${protocol}: $title`, ({ from, host, port, outcome }) => {
        const outcomes = new Set<string>()
        let choices = 1
        for (let choice = 0; choice < choices; choice += 1) {
          const random = (modulus: number): number => {
            choices = modulus
            return choice % modulus
          }
          const packet = { saddr: of(addresses[from]), daddr: of(host), protocol, sport: 40_000, dport: port, ...(from === 'node' ? {} : { iif: from }) }
          const { verdict, dnat, packet: sent } = nft.trace(packet, { local, random })
          outcomes.add(verdict === 'drop' ? 'dropped' : verdict === 'reject' ? 'refused' : `${nameOf(dnat?.address as Parameters<typeof formatIp>[0])} ${nameOf(sent.saddr as Parameters<typeof formatIp>[0])}`)
        }
        expect([...outcomes].sort()).toEqual([...outcome].sort())
      })
    }
  })
}

describe('a packet that saw a number of a moment ago', () => {
  test.each([['a pod to a cluster IP', '10.244.0.9', '10.96.0.1', 80], ['a machine outside to a NodePort', '172.30.1.99', '172.30.1.11', 30_001], ['the same under a Local policy', '172.30.1.99', '172.30.1.11', 30_003]] as const)('V9 %s whose backends are gone since: it is dropped, and does not go on untranslated', async (_, saddr, daddr, dport) => {
    const nft = new FakeNft()
    await using _run = await running(verdictCluster, { nft, config: verdictConfig })
    const { elements } = nft.read('inet', tables.proxy)!.table.maps.find(({ name }) => name === 'endpoint4')!
    nft.commitForeign(new Transaction({ family: 'inet', name: tables.proxy }).deleteElements(sets[4].endpoint, elements))
    expect(nft.trace({ saddr, daddr, protocol: 'tcp', sport: 40_000, dport, iif: 'eth0' }, { local: ['172.30.1.11'], random: () => 0 }).verdict).toBe('drop')
  })
})
