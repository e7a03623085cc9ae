import { formatIp } from '@weft/ip'
import { FakeNft } from '@weft/nftables/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { running, type Running } from '../test/running.ts'
import { addresses, type Origin, sixOf, verdictCluster, verdictConfig, verdicts } from '../test/verdicts.ts'

const origins = Object.keys(addresses) as Origin[]

for (const [family, of] of [['IPv4', (host: string) => host], ['IPv6', sixOf]] as const) {
  describe(`verdicts, traced, ${family}`, () => {
    const nft = new FakeNft()
    let run: Running

    beforeAll(async () => {
      run = await running(verdictCluster, { nft, config: verdictConfig })
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
