// One proxy as a program of its own behind an API server: its first sync, its memory, and how long a change takes from the API to the kernel. Prints a
// ProgramFigures as JSON. Run in network and mount namespaces of its own. Arguments: `ours` or `kube-proxy`, services, endpoints of each, changes, seconds of churn.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '@weft/daemon'
import { type FakeObject, FakeApiServer } from '@weft/kube/testing'
import { RouteSocket } from '@weft/netlink'
import { NftError, NftSocket, type TableName, watchTable } from '@weft/nftables'
import { formatIp, loopbackIfIndex } from '@weft/ip'
import { node, service, slice } from '../test/cluster.ts'
import { podIp, serviceIp } from './objects.ts'
import { kubeProxyProgram, ourProgram } from './programs.ts'

/** What one run of a program tells. */
export interface ProgramFigures {
  /** Milliseconds that the program says its syncs took until the kernel had all, from objects in memory to the last commit; kube-proxy takes several, for its first begins before it has all objects. */
  readonly syncMs: number
  /** Milliseconds from the start of the program until the kernel has every Service. */
  readonly startMs: number
  /** CPU time in milliseconds until then, that of programs it ran (nft) included: on an idle machine it is what the start takes, whatever else runs. */
  readonly startCpuMs: number
  /** The part of programs it ran. */
  readonly childrenCpuMs: number
  /** Resident bytes afterwards, those of them that are no pages of files (such as the program's own), and the most there were. */
  readonly rss: number
  readonly anonymous: number
  readonly peakRss: number
  /** Milliseconds from the answer of the API server to the commit, for each change. */
  readonly changes: readonly number[]
  readonly churn: ChurnFigures | undefined
}

/** A Service whose endpoints change all the time, among all others. */
export interface ChurnFigures {
  readonly changesPerSecond: number
  /** Part of all changes that were in the kernel within a tenth of a second after they reached the program. */
  readonly within100Ms: number
  /** Resident bytes at the end and after a tenth of the time. */
  readonly rss: number
  readonly rssBefore: number
  /** Endpoints in the kernel beyond those of the API server, or missing. */
  readonly orphans: number
}

const collections: Readonly<Record<string, string>> = { Node: '/api/v1/nodes', Service: '/api/v1/services', EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices' }
const metricsUrl = 'http://127.0.0.1:10249/metrics'

function put(server: FakeApiServer, object: object): void {
  const { kind } = object as { readonly kind: string }
  server.api.put(collections[kind]!, { apiVersion: kind === 'EndpointSlice' ? 'discovery.k8s.io/v1' : 'v1', ...object } as FakeObject)
}

function sliceOf(number: number, endpoints: number, firstPod = number * endpoints): object {
  const pods = [firstPod, ...Array.from({ length: endpoints - 1 }, (_, index) => number * endpoints + index + 1)]
  return sliceAt(number, pods.map((pod) => formatIp(podIp(pod))))
}

/** kube-proxy takes only ports that have a name, be it an empty one. */
function sliceAt(number: number, ips: readonly string[]): object {
  return slice(`bench/s${number}`, ips, { ports: [{ name: 'http', port: 8080 }] })
}

async function metrics(): Promise<string> {
  return await fetch(metricsUrl).then(async (response) => await response.text(), () => '')
}

/** Seconds that all syncs so far took: kube-proxy's histogram, which both programs have; of kube-proxy those for IPv4, as all Services are. */
function syncSeconds(text: string): number {
  return Number(/^kubeproxy_sync_proxy_rules_duration_seconds_sum(?:\{ip_family="IPv4"\})? (.+)$/m.exec(text)?.[1])
}

/** Waits until no program runs that a program started, so that its CPU time is known and its sync is over. */
async function withoutChildren({ pid }: ChildProcess): Promise<void> {
  const isParent = (folder: string): boolean => {
    try {
      return readFileSync(`/proc/${folder}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')[1] === String(pid)
    } catch {
      // It ended.
      return false
    }
  }
  while (readdirSync('/proc').some((folder) => /^\d+$/.test(folder) && isParent(folder))) await realClock.sleep(5)
}

/** CPU time of a process, and of those that it waited for (nft), in milliseconds. */
function cpuMs({ pid }: ChildProcess): { readonly own: number, readonly children: number } {
  // utime, stime, cutime and cstime of proc(5), in hundredths of a second.
  const [user, system, childrenUser, childrenSystem] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ').slice(11, 15).map((ticks) => Number(ticks) * 10) as [number, number, number, number]
  return { own: user + system, children: childrenUser + childrenSystem }
}

function memory({ pid }: ChildProcess, field: 'VmRSS' | 'RssAnon' | 'VmHWM'): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

/** Times of commits to a table, as the kernel tells of them. */
class Commits {
  last = 0
  count = 0
  #onCommit = (): void => undefined

  async follow(table: TableName, signal: AbortSignal): Promise<void> {
    for await (const _event of await watchTable(table, { signal })) {
      this.last = performance.now()
      this.count += 1
      this.#onCommit()
    }
  }

  /** @throws {Error} When none comes within a minute. */
  async next(): Promise<void> {
    const heard = Promise.withResolvers<void>()
    this.#onCommit = heard.resolve
    const late = new AbortController()
    await Promise.race([heard.promise, realClock.sleep(60_000, { signal: late.signal }).then(() => { throw new Error('Cannot measure a change: no commit came within a minute') }, () => undefined)])
    late.abort()
  }

  /** A commit, or that time without one. */
  async quietOr(ms: number): Promise<void> {
    const { count } = this
    for (let waited = 0; waited < ms && this.count === count; waited += 20) await realClock.sleep(20)
  }

  async quiet(ms: number): Promise<void> {
    while (performance.now() - this.last < ms) await realClock.sleep(20)
  }
}

async function churning(server: FakeApiServer, child: ChildProcess, { services, endpoints, seconds }: { readonly services: number, readonly endpoints: number, readonly seconds: number }): Promise<ChurnFigures> {
  const rate = 200
  const lags = async (): Promise<{ readonly all: number, readonly soon: number }> => {
    const text = await metrics()
    const of = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0)
    return { all: of(/^weft_proxy_programming_lag_seconds_count (\d+)$/m), soon: of(/^weft_proxy_programming_lag_seconds_bucket\{le="0\.1"\} (\d+)$/m) }
  }
  const before = await lags()
  const started = performance.now()
  let rssBefore = 0
  let sent = 0
  while (performance.now() - started < seconds * 1000) {
    const due = Math.floor(((performance.now() - started) / 1000) * rate)
    // 0, 1, 0, 1, … endpoints in turn with others: chains, refusals and conntrack have their part.
    for (; sent < due; sent += 1) put(server, sent % 4 === 3 ? sliceAt(sent % services, []) : sliceOf(sent % services, endpoints, services * endpoints + sent))
    if (rssBefore === 0 && performance.now() - started > seconds * 100) rssBefore = memory(child, 'VmRSS')
    await realClock.sleep(5)
  }
  await realClock.sleep(1000)
  const after = await lags()
  using nft = NftSocket.openHere()
  const inKernel = nft.read('inet', 'weft-proxy')!.table.maps.find((map) => map.name === 'endpoint4')!.elements.length
  const wanted = (server.api.objects(collections['EndpointSlice']!) as unknown as readonly { readonly endpoints: readonly unknown[] }[]).reduce((sum, { endpoints: own }) => sum + own.length, 0)
  return { orphans: Math.abs(inKernel - wanted), changesPerSecond: sent / seconds, within100Ms: (after.soon - before.soon) / (after.all - before.all), rss: memory(child, 'VmRSS'), rssBefore }
}

if (import.meta.main) {
  const [which, ...numbers] = process.argv.slice(2)
  const [services = 10, endpoints = 2, changes = 0, seconds = 0] = numbers.map(Number)
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'))
  using route = RouteSocket.openHere()
  route.setLink(loopbackIfIndex, { up: true })
  await using server = await FakeApiServer.start()
  put(server, node('here'))
  for (let number = 0; number < services; number += 1) {
    put(server, service(`bench/s${number}`, [formatIp(serviceIp(number))], { type: 'ClusterIP', ipFamilies: ['IPv4'], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }))
    put(server, sliceOf(number, endpoints))
  }
  const stopping = new AbortController()
  const program = which === 'ours' ? ourProgram(server.url, folder) : kubeProxyProgram(server.url, folder)
  const commits = new Commits()
  const following = commits.follow(program.table, stopping.signal)
  const started = performance.now()
  const child = spawn(program.command[0]!, program.command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => { errors = `${errors}${chunk.toString()}`.slice(-2000) })
  try {
    using nft = NftSocket.openHere()
    const { family, name } = program.table
    const found = (): number | undefined => (which === 'ours'
      ? nft.read(family, name)?.table.maps.find((map) => map.name === 'service4')?.elements.length
      : nft.graph(family, name)?.chains.filter((chain) => chain.startsWith('service-') && chain.includes('/')).length)
    const isComplete = (): boolean => {
      try {
        return found() === services
      } catch (error) {
        // It is being written all the time.
        if (error instanceof NftError && error.errno === 'EINTR') return false
        throw error
      }
    }
    // What looks is not to disturb what works.
    for (let turn = 0; turn < 600 && !isComplete(); turn += 1) {
      if (child.exitCode !== null) throw new Error(`Cannot measure ${which}: it ended with ${child.exitCode}: ${errors}`)
      await commits.quietOr(500)
    }
    if (!isComplete()) throw new Error(`Cannot measure ${which}: the kernel has not all ${services} Services: ${errors}`)
    // Of a commit so large the kernel may fail to tell.
    const startMs = performance.now() - started
    await withoutChildren(child)
    const cpu = cpuMs(child)
    const syncMs = syncSeconds(await metrics()) * 1000
    await commits.quiet(3000)
    const [rss, anonymous, peakRss] = [memory(child, 'VmRSS'), memory(child, 'RssAnon'), memory(child, 'VmHWM')]
    const times: number[] = []
    for (let change = 0; change < changes; change += 1) {
      const before = performance.now()
      const committed = commits.next()
      put(server, sliceOf(change, endpoints, services * endpoints + change))
      await committed
      times.push(commits.last - before)
      // kube-proxy deletes what it no longer needs a second later.
      await commits.quiet(which === 'ours' ? 20 : 2000)
    }
    const churn = seconds === 0 ? undefined : await churning(server, child, { services, endpoints, seconds })
    const figures: ProgramFigures = { syncMs, startMs, startCpuMs: cpu.own + cpu.children, childrenCpuMs: cpu.children, rss, anonymous, peakRss, changes: times, churn }
    process.stdout.write(`${JSON.stringify(figures)}\n`)
  } finally {
    // nft, too, which may work on for long.
    process.kill(-child.pid!, 'SIGKILL')
    stopping.abort()
    await following
    rmSync(folder, { recursive: true })
  }
}
