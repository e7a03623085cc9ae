import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type BenchCase, median, percentile } from '@weft/daemon/bench'
import type { SyncFigures } from './measure-sync.ts'

/** Clusters that are measured, and how long their first sync may take in milliseconds of CPU time. */
const clusters = [
  { services: 10, endpoints: 2, changes: 500, rounds: 3, goalMs: undefined },
  { services: 1000, endpoints: 2, changes: 500, rounds: 3, goalMs: undefined },
  { services: 10_000, endpoints: 2, changes: 500, rounds: 3, goalMs: 500 },
  { services: 45_000, endpoints: 2, changes: 500, rounds: 2, goalMs: 3000 },
  { services: 5000, endpoints: 50, changes: 200, rounds: 2, goalMs: 8000 },
] as const

type Cluster = (typeof clusters)[number]

/** One first sync, and changes after it, in a process and a network namespace of its own: what one left would be adopted by the next. */
export async function measureSync({ services, endpoints, changes }: { readonly services: number, readonly endpoints: number, readonly changes: number }): Promise<SyncFigures> {
  const { stdout } = await promisify(execFile)('unshare', ['--net', process.execPath, '--conditions=dev', '--expose-gc', fileURLToPath(new URL('measure-sync.ts', import.meta.url)), String(services), String(endpoints), String(changes)], { maxBuffer: 1 << 24 })
  return JSON.parse(stdout) as SyncFigures
}

/** Medians over processes of one cluster. */
async function measure({ rounds, ...cluster }: Cluster): Promise<Omit<SyncFigures, 'changes'> & { readonly p50: number, readonly p99: number }> {
  const all: SyncFigures[] = []
  for (let round = 0; round < rounds; round += 1) all.push(await measureSync(cluster))
  const of = (pick: (figures: SyncFigures) => number): number => median(all.map(pick))
  return {
    cpuMs: of(({ cpuMs }) => cpuMs), wallMs: of(({ wallMs }) => wallMs), stallMs: of(({ stallMs }) => stallMs), rss: of(({ rss }) => rss), heap: of(({ heap }) => heap),
    p50: of(({ changes: times }) => percentile(times, 50)), p99: of(({ changes: times }) => percentile(times, 99)),
  }
}

/** First sync, stalls, memory and single changes, at every size. Goals are for an idle machine; CPU time and ratios hold on a busy one too. */
export async function syncCases(): Promise<readonly BenchCase[]> {
  const cases: BenchCase[] = []
  const found = new Map<string, Awaited<ReturnType<typeof measure>>>()
  for (const cluster of clusters) {
    const size = `${cluster.services} services x ${cluster.endpoints}`
    const figures = await measure(cluster)
    found.set(size, figures)
    const add = (name: string, unit: string, ours: number, limit: number | undefined): void => void cases.push({
      name, size, unit, ours, peer: undefined, peer_name: 'a limit', ratio: undefined, goal: limit === undefined ? 'none' : `ours <= ${limit} ${unit}`, ok: limit === undefined || ours <= limit,
    })
    add('first sync, objects to kernel', 'ms CPU', figures.cpuMs, cluster.goalMs)
    add('longest turn of the event loop in it', 'ms CPU', figures.stallMs, 200)
    add('resident memory after it, from sources', 'MB', figures.rss / 1e6, cluster.endpoints === 50 ? 500 : undefined)
    add('one endpoint change, p50', 'ms', figures.p50, 1)
    add('one endpoint change, p99', 'ms', figures.p99, 5)
  }
  const perService = (services: number): number => found.get(`${services} services x 2`)!.cpuMs / services
  const growth = perService(45_000) / perService(1000)
  cases.push({ name: 'first sync, time per service', size: '1000 to 45000 services', unit: 'ms CPU', ours: perService(45_000), peer: perService(1000), peer_name: 'ours at 1000 services', ratio: growth, goal: 'ratio <= 1.5', ok: growth <= 1.5 })
  const [small, large] = [found.get('10 services x 2')!.p50, found.get('45000 services x 2')!.p50]
  cases.push({ name: 'one endpoint change, p50', size: '10 to 45000 services', unit: 'ms', ours: large, peer: small, peer_name: 'ours at 10 services', ratio: large / small, goal: 'ratio <= 1.2', ok: large / small <= 1.2 })
  return cases
}
