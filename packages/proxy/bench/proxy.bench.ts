// What it costs to bring the Services of a cluster into the kernel, from objects in stores to the commit, and to change one endpoint: ours against
// kube-proxy's chains through `nft -f`; what a packet costs on its way; and both as programs, where kube-proxy is at hand. Run it as `unshare -nm --propagation private`, as root without -U: only then can nft send kube-proxy's larger tables.
import { existsSync } from 'node:fs'
import { createRegistry, realClock } from '@weft/daemon'
import { type BenchCase, median } from '@weft/daemon/bench'
import { silentLogger } from '@weft/daemon/testing'
import { storeOf } from '@weft/kube/testing'
import { Conntrack } from '@weft/netlink'
import { TestNamespace } from '@weft/netlink/testing'
import { NftSocket } from '@weft/nftables'
import { createProxy, proxyConfigSchema } from '../src/index.ts'
import { endpointsPerService, kubeProxyChange, kubeProxyTable } from './kube-proxy-table.ts'
import { nodeObject, serviceObject, sliceObject } from './objects.ts'
import { packetCases } from './packet-cases.ts'
import { programCases } from './program-cases.ts'
import { syncCases } from './sync-cases.ts'
import { nodeName } from '../test/cluster.ts'

const hasNft = existsSync('/usr/sbin/nft')
let peerName = hasNft ? "kube-proxy's chains, nft -f" : 'nft is not installed'

interface Figures {
  readonly load: number
  readonly change: number
}

async function ours(services: number, changes: number): Promise<Figures> {
  await using ns = await TestNamespace.create()
  using nft = await NftSocket.open({ netns: ns.path })
  using flows = await Conntrack.open({ netns: ns.path })
  const all = Array.from({ length: services }, (_, number) => number)
  const slices = storeOf(all.map((number) => sliceObject(number, endpointsPerService)))
  const proxy = createProxy({
    config: proxyConfigSchema.parse({}), nodeName, nodes: storeOf([nodeObject()]), services: storeOf(all.map(serviceObject)), slices, nft, flows, clock: realClock, logger: silentLogger, registry: createRegistry(),
  })
  const stopping = new AbortController()
  const started = performance.now()
  const running = proxy.run(stopping.signal)
  await proxy.whenReady()
  const load = performance.now() - started
  const times: number[] = []
  for (let change = 0; change < changes; change += 1) {
    const changed = sliceObject(change % services, endpointsPerService, services * endpointsPerService + change)
    const before = performance.now()
    slices.put(changed)
    await proxy.settled()
    times.push(performance.now() - before)
  }
  stopping.abort()
  await running
  return { load, change: median(times) }
}

async function kubeProxy(services: number, changes: number): Promise<Figures | undefined> {
  if (!hasNft) return undefined
  await using ns = await TestNamespace.create()
  const run = (text: string): number => {
    const started = performance.now()
    ns.exec('nft', ['-f', '-'], text)
    return performance.now() - started
  }
  try {
    const load = run(kubeProxyTable({ services }))
    return { load, change: median(Array.from({ length: changes }, (_, change) => run(kubeProxyChange(change % services, services * endpointsPerService + change)))) }
  } catch (error) {
    if (!String(error).includes('Message too long')) throw error
    peerName = 'nft cannot: it sends one batch and needs root to make the buffer larger'
    return undefined
  }
}

/** Ours has more rounds where the peer takes long: they are worth nothing less for that. The first of ours does not count. */
async function measure(services: number, rounds: { readonly ours: number, readonly peer: number }): Promise<{ readonly ours: Figures, readonly peer: Figures | undefined }> {
  const mine: Figures[] = []
  const theirs: Figures[] = []
  await ours(services, 10)
  for (let round = 0; round < Math.max(rounds.ours, rounds.peer); round += 1) {
    if (round < rounds.ours) mine.push(await ours(services, 200))
    const peer = round < rounds.peer ? await kubeProxy(services, 5) : undefined
    if (peer !== undefined) theirs.push(peer)
  }
  const medians = (figures: readonly Figures[]): Figures => ({ load: median(figures.map(({ load }) => load)), change: median(figures.map(({ change }) => change)) })
  return { ours: medians(mine), peer: theirs.length === 0 ? undefined : medians(theirs) }
}

/** Every case; about ten minutes, most of it kube-proxy's 10,000 Services and a minute of changes. */
export async function cases(): Promise<readonly BenchCase[]> {
  const small = await measure(10, { ours: 5, peer: 5 })
  const medium = await measure(1000, { ours: 5, peer: 3 })
  const large = await measure(10_000, { ours: 5, peer: 1 })
  const load = (size: number, { ours: mine, peer }: typeof small, goal: number): BenchCase => {
    const ratio = peer === undefined ? undefined : mine.load / peer.load
    return { name: 'load all Services', size: `${size} services x ${endpointsPerService}`, unit: 'ms', ours: mine.load, peer: peer?.load, peer_name: peerName, ratio, goal: `ratio <= ${goal}`, ok: ratio === undefined ? undefined : ratio <= goal }
  }
  const change = (size: number, { ours: mine, peer }: typeof small): BenchCase => ({
    name: 'change one endpoint', size: `${size} services x ${endpointsPerService}`, unit: 'ms', ours: mine.change, peer: peer?.change, peer_name: peerName,
    ratio: peer === undefined ? undefined : mine.change / peer.change, goal: 'ours <= 1 ms', ok: mine.change <= 1,
  })
  const flat = large.ours.change / small.ours.change
  return [
    load(1000, medium, 0.5), load(10_000, large, 0.05),
    change(10, small), change(1000, medium), change(10_000, large),
    { name: 'change one endpoint, growth from 10 to 10,000 services', size: '10 to 10000 services', unit: 'ms', ours: large.ours.change, peer: small.ours.change, peer_name: 'ours at 10 services', ratio: flat, goal: 'ratio <= 2', ok: flat <= 2 },
    ...await syncCases(),
    ...await packetCases(),
    ...await programCases(),
  ]
}

if (import.meta.main) console.table(await cases())
