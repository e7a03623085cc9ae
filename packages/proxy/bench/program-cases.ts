import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type BenchCase, median, percentile } from '@weft/daemon/bench'
import type { ProgramFigures } from './measure-program.ts'
import { kubeProxyName, ourKind } from './programs.ts'
import { measureSync } from './sync-cases.ts'

const driver = fileURLToPath(new URL('measure-program.ts', import.meta.url))
const endpoints = 2
/** Changes of both; kube-proxy takes seconds for each. */
const changes = { ours: 50, peer: 5 } as const
/** Of both, in turn; figures are medians. kube-proxy's starts differ by half, by how many objects its first sync finds. */
const starts = 5
const churnSeconds = 60

async function run(which: 'ours' | 'kube-proxy', numbers: readonly number[]): Promise<ProgramFigures> {
  const { stdout } = await promisify(execFile)('unshare', ['--net', '--mount', '--propagation', 'private', process.execPath, '--conditions=dev', driver, which, ...numbers.map(String)], { maxBuffer: 1 << 24 })
  return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as ProgramFigures
}

function middle(figure: 'syncMs' | 'startMs' | 'startCpuMs' | 'childrenCpuMs' | 'rss' | 'anonymous'): (all: readonly ProgramFigures[]) => number {
  return (all) => median(all.map((figures) => figures[figure]))
}

/** Ours as a program against kube-proxy as a program, behind the same API server. */
export async function programCases(): Promise<readonly BenchCase[]> {
  const name = kubeProxyName()
  const cases: BenchCase[] = []
  for (const services of [1000, 10_000]) {
    const mine: ProgramFigures[] = []
    const theirs: ProgramFigures[] = []
    const syncs: number[] = []
    for (let round = 0; round < starts; round += 1) {
      mine.push(await run('ours', [services, endpoints, changes.ours]))
      syncs.push((await measureSync({ services, endpoints, changes: 0 })).cpuMs)
      if (name !== undefined) theirs.push(await run('kube-proxy', [services, endpoints, round === 0 ? changes.peer : 0]))
    }
    const size = `${services} services x ${endpoints}`
    const isLarge = services === 10_000
    const add = (title: string, unit: string, pick: (figures: readonly ProgramFigures[]) => number, { goal, isMet }: { readonly goal: string, readonly isMet?: (ours: number, ratio: number | undefined) => boolean | undefined }): void => {
      const [ours, peer] = [pick(mine), theirs.length === 0 ? undefined : pick(theirs)]
      const ratio = peer === undefined ? undefined : ours / peer
      cases.push({ name: title, size, unit, ours, peer, peer_name: name ?? 'kube-proxy is not at hand (WEFT_KUBE_PROXY=path)', ratio, goal, ok: isMet === undefined ? true : isMet(ours, ratio) })
    }
    add('first sync, as the program tells it', 'ms', middle('syncMs'), isLarge ? { goal: 'ratio <= 0.05', isMet: (_ours, ratio) => (ratio === undefined ? undefined : ratio <= 0.05) } : { goal: 'none' })
    if (name !== undefined) {
      const [ours, peer] = [median(syncs), middle('childrenCpuMs')(theirs)]
      cases.push({ name: 'first sync, objects to kernel', size, unit: 'ms CPU', ours, peer, peer_name: `what nft alone takes for ${name}`, ratio: ours / peer, goal: isLarge ? 'ours <= 500 ms, ratio <= 0.05' : 'none', ok: !isLarge || (ours <= 500 && ours / peer <= 0.05) })
    }
    add(`program start to kernel, ours ${ourKind}`, 'ms', middle('startMs'), { goal: 'none' })
    add(`program start to kernel, ours ${ourKind}`, 'ms CPU', middle('startCpuMs'), { goal: 'none' })
    add(`resident memory after it, ours ${ourKind}`, 'MB', (all) => middle('rss')(all) / 1e6, isLarge ? { goal: 'ours <= 130 MB', isMet: (ours) => ours <= 130 } : { goal: 'none' })
    add('of it no pages of files, such as the program itself', 'MB', (all) => middle('anonymous')(all) / 1e6, { goal: 'none' })
    add('API write to kernel commit, p50', 'ms', (all) => percentile(all.flatMap(({ changes: times }) => times), 50), isLarge ? { goal: 'ours <= 10 ms', isMet: (ours) => ours <= 10 } : { goal: 'none' })
  }
  return [...cases, ...await churnCases()]
}

async function churnCases(): Promise<readonly BenchCase[]> {
  const { churn } = await run('ours', [10_000, endpoints, 0, churnSeconds])
  const { changesPerSecond, within100Ms, rss, rssBefore, orphans } = churn!
  const shared = { size: `10000 services x ${endpoints}, ${Math.round(changesPerSecond)} changes/s for ${churnSeconds} s`, peer_name: 'a limit' }
  return [
    { ...shared, name: 'changes in the kernel within 100 ms', unit: '%', ours: within100Ms * 100, peer: undefined, ratio: undefined, goal: 'ours >= 99 %', ok: within100Ms >= 0.99 },
    { ...shared, name: 'endpoints too many or too few in the kernel after them', unit: '', ours: orphans, peer: undefined, ratio: undefined, goal: 'ours = 0', ok: orphans === 0 },
    { ...shared, name: 'memory at the end of them', unit: 'MB', ours: rss / 1e6, peer: rssBefore / 1e6, peer_name: 'after a tenth of the time', ratio: rss / rssBefore, goal: 'ratio <= 1.1', ok: rss / rssBefore <= 1.1 },
  ]
}
