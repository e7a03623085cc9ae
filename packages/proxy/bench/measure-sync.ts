// One first sync and some changes in a process of its own, so that memory and stalls are theirs: prints a SyncFigures as JSON. Run in a network namespace.
// Arguments: services, endpoints of each, changes.
import { createRegistry, realClock } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import { storeOf } from '@weft/kube/testing'
import { Conntrack } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { createProxy, proxyConfigSchema } from '../src/index.ts'
import { nodeObject, serviceObject, sliceObject } from './objects.ts'
import { nodeName } from '../test/cluster.ts'

/** What a process of its own tells of a sync. */
export interface SyncFigures {
  /** CPU time in milliseconds from objects in stores to the end of the commit: on an idle machine, the time it takes. */
  readonly cpuMs: number
  readonly wallMs: number
  /** Most CPU time between two turns of the event loop, in milliseconds: on an idle machine, how long it did nothing else. */
  readonly stallMs: number
  /** Resident memory afterwards, in bytes. */
  readonly rss: number
  /** Bytes of it that are the program's objects. */
  readonly heap: number
  /** Milliseconds from an event to the end of its commit, for each change. */
  readonly changes: readonly number[]
}

/** Begins to watch the event loop; what it gives tells the most CPU time of one turn so far, in milliseconds. */
function watchStalls(): () => number {
  const now = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  let [last, longest] = [now(), 0]
  const look = (): void => {
    longest = Math.max(longest, now() - last)
    last = now()
  }
  const timer = setInterval(look, 2)
  return () => {
    look()
    clearInterval(timer)
    return longest
  }
}

if (import.meta.main) {
  const [services = 10, endpoints = 2, changes = 0] = process.argv.slice(2).map(Number)
  using nft = NftSocket.openHere()
  using flows = Conntrack.openHere()
  const all = Array.from({ length: services }, (_, number) => number)
  const slices = storeOf(all.map((number) => sliceObject(number, endpoints)))
  const proxy = createProxy({
    config: proxyConfigSchema.parse({}), nodeName, nodes: storeOf([nodeObject()]), services: storeOf(all.map(serviceObject)), slices, nft, flows, clock: realClock, logger: silentLogger, registry: createRegistry(),
  })
  const stopping = new AbortController()
  globalThis.gc?.()
  const stalls = watchStalls()
  const [started, cpu] = [performance.now(), process.cpuUsage()]
  const running = proxy.run(stopping.signal)
  await proxy.whenReady()
  const { user, system } = process.cpuUsage(cpu)
  const wallMs = performance.now() - started
  const stallMs = stalls()
  const times: number[] = []
  for (let change = 0; change < changes; change += 1) {
    const changed = sliceObject(change % services, endpoints, services * endpoints + change)
    const before = performance.now()
    slices.put(changed)
    await proxy.settled()
    times.push(performance.now() - before)
    // Timers of the program run too.
    if (change % 50 === 0) await realClock.sleep(1)
  }
  globalThis.gc?.()
  const figures: SyncFigures = { cpuMs: (user + system) / 1000, wallMs, stallMs, rss: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed, changes: times }
  process.stdout.write(`${JSON.stringify(figures)}\n`)
  stopping.abort()
  await running
}
