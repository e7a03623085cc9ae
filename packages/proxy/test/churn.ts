// Endpoints of many Services come and go all the time. Runs until its seconds are over, prints ChurnReport as JSON. Arguments: seconds, changes a second.
import { toEndpointSlice } from '@weft/api'
import { keepHeapSmall, realClock } from '@weft/daemon'
import { formatIp, ipFromBits } from '@weft/ip'
import { Conntrack } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { node, service, slice } from './cluster.ts'
import { running } from './running.ts'

export interface ChurnReport {
  readonly changes: number
  /** Milliseconds until the kernel had a change: half of all, 99 of 100, all. */
  readonly lagMs: { readonly p50: number, readonly p99: number, readonly longest: number }
  /** Most resident bytes in the third after a tenth of the time, and in the last third: collection of garbage makes a saw of what there is at any moment. */
  readonly rss: { readonly before: number, readonly after: number }
  /** What a comparison of the whole kernel with the model writes in the end. */
  readonly repairs: number
  /** Milliseconds of CPU time for each change. */
  readonly cpuMs: number
}

const services = 10_000

/** What there is after so many changes: each gives one Service its only endpoint, or takes it, in turn. Half of all are of IPv6, and half of UDP. */
export function clusterAfter(changes: number): readonly object[] {
  return [node('here'), ...Array.from({ length: services }, (_, index) => [
    service(`many/s${index}`, [addressOf(index)], { ports: [{ port: 80, protocol: protocolOf(index) }] }),
    sliceOf(index, isServed(index, changes)),
  ]).flat()]
}

function isServed(index: number, changes: number): boolean {
  const own = Math.floor(changes / services) + (index < changes % services ? 1 : 0)
  return own % 2 === 0
}

function sliceOf(index: number, served: boolean): object {
  const backend = index % 2 === 0 ? ipFromBits(4, 0x0af4_0100n + BigInt(index)) : ipFromBits(6, (0xfd00_0010_0244_0001n << 64n) + BigInt(index))
  return { ...slice(`many/s${index}`, served ? [formatIp(backend)] : [], { ports: [{ port: 8080, protocol: protocolOf(index) }] }), addressType: index % 2 === 0 ? 'IPv4' : 'IPv6' }
}

function addressOf(index: number): string {
  return formatIp(index % 2 === 0 ? ipFromBits(4, 0x0a60_0000n + BigInt(index)) : ipFromBits(6, (0xfd00_0010_0096_0000n << 64n) + BigInt(index)))
}

function protocolOf(index: number): string {
  return index % 4 < 2 ? 'TCP' : 'UDP'
}

async function churn(seconds: number, rate: number): Promise<ChurnReport> {
  keepHeapSmall()
  using nft = NftSocket.openHere()
  using flows = await Conntrack.open()
  await using run = await running(clusterAfter(0), { nft, flows })
  const lags: number[] = []
  const started = realClock.now()
  const cpuBefore = process.cpuUsage()
  let changes = 0
  const rss = { before: 0, after: 0 }
  let sampledAt = Number.NEGATIVE_INFINITY
  for (;;) {
    const elapsed = (realClock.now() - started) / 1000
    if (elapsed >= seconds) break
    if (elapsed - sampledAt >= 0.1) {
      sampledAt = elapsed
      const part = elapsed / seconds
      if (part >= 0.1 && part < 0.43) rss.before = Math.max(rss.before, process.memoryUsage.rss())
      else if (part >= 0.67) rss.after = Math.max(rss.after, process.memoryUsage.rss())
    }
    for (; changes < elapsed * rate; changes += 1) {
      run.stores.slices.put(toEndpointSlice(sliceOf(changes % services, isServed(changes % services, changes + 1))))
      const at = realClock.now()
      void run.proxy.settled().then(() => lags.push(realClock.now() - at))
    }
    await realClock.sleep(1000 / rate)
  }
  await run.proxy.settled()
  const { user, system } = process.cpuUsage(cpuBefore)
  const { writes } = run.proxy
  run.proxy.recheck()
  await run.proxy.settled()
  lags.sort((a, b) => a - b)
  const at = (part: number): number => lags[Math.min(lags.length - 1, Math.floor(lags.length * part))]!
  return { changes, lagMs: { p50: at(0.5), p99: at(0.99), longest: at(1) }, rss, repairs: run.proxy.writes - writes, cpuMs: (user + system) / 1000 / changes }
}

if (import.meta.main) {
  const [seconds, rate] = process.argv.slice(2).map(Number)
  process.stdout.write(JSON.stringify(await churn(seconds!, rate!)))
}
