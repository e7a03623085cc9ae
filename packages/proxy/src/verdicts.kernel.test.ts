import { existsSync } from 'node:fs'
import { protocolNumbers } from '@weft/api'
import { skippable } from '@weft/daemon/testing'
import { formatIp, type IpAddress } from '@weft/ip'
import { sendPacket, sctpInit, whyNoKernelTests } from '@weft/netlink/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Lab } from '../test/lab.ts'
import { running, type Running } from '../test/running.ts'
import { addresses, type Origin, sixOf, type Verdict, verdictCluster, verdictConfig, verdicts } from '../test/verdicts.ts'

const reason = whyNoKernelTests()
const origins = Object.keys(addresses) as Origin[]
/** What the kernel tracks of SCTP stands in a module of its own. */
const noSctp = existsSync('/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established') ? undefined : 'this kernel tracks no SCTP (CONFIG_NF_CT_PROTO_SCTP)'
const errors: Readonly<Record<string, string>> = { ECONNREFUSED: 'refused', ETIMEDOUT: 'dropped' }

describe.skipIf(reason !== undefined)(skippable('verdicts of the kernel', reason), () => {
  let lab: Lab
  let run: Running

  beforeAll(async () => {
    lab = await Lab.create()
    const at = (...hosts: readonly string[]): readonly string[] => hosts.flatMap((host) => [host, sixOf(host)]).flatMap((host) => [`tcp|${host}|8080`, `udp|${host}|8080`])
    await Promise.all([lab.serve('b1', 'b1', at(addresses.b1)), lab.serve('b2', 'b2', at(addresses.b2)), lab.serve('node', 'node', at(addresses.node))])
    run = await running(verdictCluster, { nft: lab.nft, flows: lab.flows, config: verdictConfig })
  })

  afterAll(async () => {
    await run[Symbol.asyncDispose]()
    await lab[Symbol.asyncDispose]()
  })

  for (const [family, of] of [['IPv4', (host: string) => host], ['IPv6', sixOf]] as const) {
    for (const protocol of ['tcp', 'udp'] as const) {
      const nameOf = (host: string): string => origins.find((origin) => of(addresses[origin]) === host) ?? host
      const said = (answer: string): string => errors[answer] ?? answer.replace(/ .*$/, (source) => ` ${nameOf(source.slice(1))}`)
      // Of two backends one misses the other 15 times in a row once in 32,768 runs.
      const question = ({ host, port, outcome }: Verdict) => ({ protocol, host: of(host), port, count: outcome.length > 1 ? 16 : 1 })

      // As one, for every process that asks takes longer than all of its questions; a row that is wrong says which.
      test.each(origins)(`${protocol} over ${family} from %s: what the rows of test/verdicts.ts say`, (from) => {
        const rows = verdicts.filter((verdict) => verdict.from === from)
        const answers = lab.askAll(from, rows.map(question))
        const seen = rows.map(({ title }, index) => [title, [...new Set(answers[index]!.map(said))].sort()])
        expect(seen).toEqual(rows.map(({ title, outcome }) => [title, [...outcome].sort()]))
      })
    }

    // Whether somebody refused or dropped is not seen, for no program here speaks SCTP: conntrack tells where the first packet of an association went.
    test.skipIf(noSctp !== undefined).each(origins)(skippable(`SVC-60 sctp over ${family} from %s: ends where the rows of test/verdicts.ts say`, noSctp), async (from) => {
      lab.flows.flush()
      const { path } = from === 'node' ? lab.node : lab.all[from]
      const rows = verdicts.filter((verdict) => verdict.from === from)
      const nameOf = (ip: IpAddress): string => origins.find((origin) => of(addresses[origin]) === formatIp(ip)) ?? formatIp(ip)
      let sourcePort = 20_000
      for (const { title, host, port, outcome } of rows) {
        const first = sourcePort
        for (let count = outcome.length > 1 ? 16 : 1; count > 0; count -= 1, sourcePort += 1) await sendPacket(path, of(host), { protocol: protocolNumbers.SCTP, payload: sctpInit(sourcePort, port) })
        const flows = lab.flows.entries({ protocol: protocolNumbers.SCTP }).filter(({ original }) => original.sourcePort! >= first && original.sourcePort! < sourcePort)
        const ends = new Set(flows.filter(({ destinationNat }) => destinationNat).map(({ reply }) => `${nameOf(reply.source)} ${nameOf(reply.destination)}`))
        expect([title, [...ends].sort()]).toEqual([title, outcome.filter((one) => one.includes(' ')).sort()])
      }
    })
  }
})
