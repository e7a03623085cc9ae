/**
 * Pods attached and detached through the plugin, ours against Debian's bridge + host-local, in turn on one machine.
 * Run in namespaces of its own: `unshare -Urnm --propagation private node -C dev packages/cni/bench/cni.bench.ts`.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchCase, percentile } from '@weft/daemon/bench'
import { parseIp, parseMac } from '@weft/ip'
import { createNetns, deleteNetns, netnsOfSocket, RouteSocket } from '@weft/netlink'
import { linkIdentity } from '../src/link-name.ts'
import { wirePod } from '../src/wire.ts'
import { eventually, hostLinks, nodeAddresses, prepareNode } from '../test/node-fixture.ts'
import { installPlugin, programs } from '@weft/plugin/testing'
import { buildStopwatch, type Contestant, type Lap, ourContestant, peerContestant, runLap, serverCpuMs } from './contest.ts'
import type { TestNamespace } from '@weft/netlink/testing'

const peerName = 'bridge + host-local'
const wirings = 200
/** One at a time, in turns of this many so that both meet the same machine. */
const turns = 10
const perTurn = 6
/** What a node holds; 16 at a time, as a kubelet that catches up. */
const manyPods = 250
const manyAtOnce = 16

interface Figures {
  readonly ADD: Lap
  readonly DEL: Lap
}

interface Arena {
  readonly folder: string
  readonly node: TestNamespace
  readonly stopwatch: string
}

async function startAgent(folder: string, node: TestNamespace, store = folder): Promise<AsyncDisposable & { readonly pid: number }> {
  const child = spawn('nsenter', [`--net=${node.path}`, process.execPath, '-C', 'dev', new URL('../test/agent-child.ts', import.meta.url).pathname, folder, '10.244.0.0/20', 'fd00:10:244::/64'], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, WEFT_STORE: store } })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return { pid: child.pid!, [Symbol.asyncDispose]: () => new Promise((resolve) => {
    child.once('close', () => resolve())
    child.kill()
  }) }
}

/** All ADDs of both, then all DELs: the kernel tears down behind the answers, and that would slow the next call of either side. */
async function contest(arena: Arena, contestants: readonly Contestant[], { rounds, jobs, atOnce }: { readonly rounds: number, readonly jobs: number, readonly atOnce: number }): Promise<readonly Figures[]> {
  const { folder, node, stopwatch } = arena
  const name = (index: number, round: number, job: number): string => `${contestants[index]!.name}-${atOnce}-${round}-${job}`
  const netns = contestants.map((_, index) => Array.from({ length: rounds }, (_unused, round) => Array.from({ length: jobs }, (_none, job) => ({ containerId: name(index, round, job), netns: join(folder, name(index, round, job)) }))))
  for (const { netns: path } of netns.flat(2)) await createNetns(path)
  const laps = { ADD: contestants.map((): Lap[] => []), DEL: contestants.map((): Lap[] => []) }
  for (const verb of ['ADD', 'DEL'] as const) {
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, contestant] of contestants.entries()) {
        const began = performance.now()
        const lap = await runLap({ contestant, verb, jobs: netns[index]![round]!, atOnce, node: node.path, stopwatch })
        const cpu = serverCpuMs(contestant)
        // DEL is over when the links are gone, whoever takes them away.
        if (verb === 'DEL') await eventually('links go', () => netns[index]![round]!.every(({ containerId }) => node.route.findLink(linkIdentity(containerId, 'eth0').hostIfname) === undefined), 3000)
        laps[verb][index]!.push(verb === 'DEL' && contestant.name === 'ours' ? { ...lap, totalMs: performance.now() - began, cpuMs: lap.cpuMs + serverCpuMs(contestant) - cpu } : lap)
      }
    }
  }
  for (const { netns: path } of netns.flat(2)) await deleteNetns(path)
  return contestants.map((_, index) => ({ ADD: together(laps.ADD[index]!), DEL: together(laps.DEL[index]!) }))
}

function together(laps: readonly Lap[]): Lap {
  return { times: laps.flatMap(({ times }) => times), totalMs: sum(laps.map(({ totalMs }) => totalMs)), cpuMs: sum(laps.map(({ cpuMs }) => cpuMs)) }
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, figure) => total + figure, 0)
}

/** `ours` against `peer`, with a bound on their ratio. */
function against(name: string, size: string, [ours, peer]: readonly [number, number | undefined], most: number): BenchCase {
  const ratio = peer === undefined ? undefined : ours / peer
  return { name, size, unit: 'ms', ours, peer, ratio, peer_name: peer === undefined ? `${peerName} (not installed)` : peerName, goal: `ratio <= ${most}`, ok: ratio === undefined ? undefined : ratio <= most }
}

async function throughPlugins(folder: string): Promise<readonly BenchCase[]> {
  const [[, program]] = await programs()
  const plugin = await installPlugin(folder, program)
  await using node = await prepareNode()
  await using agent = await startAgent(folder, node)
  const arena = { folder, node, stopwatch: await buildStopwatch(folder) }
  const contestants = [await ourContestant(folder, plugin.path, agent.pid), ...existsSync('/usr/lib/cni/bridge') ? [await peerContestant(folder)] : []]
  // The first pods pay for code that was never run and a bridge that is not there yet: they do not count.
  await contest(arena, contestants, { rounds: 2, jobs: 5, atOnce: 2 })
  const [ours, peer] = await contest(arena, contestants, { rounds: turns, jobs: perTurn, atOnce: 1 })
  const [oursMany, peerMany] = await contest(arena, contestants, { rounds: 1, jobs: manyPods, atOnce: manyAtOnce })
  if (hostLinks(node).length > 0) throw new Error(`Cannot trust figures: ${hostLinks(node).length} links are left`)
  const verbs = ['ADD', 'DEL'] as const
  return [
    ...verbs.map((verb) => against(`cni ${verb} p50 through the plugin`, 'dual-stack pod, 1 at a time', [percentile(ours![verb].times, 50), peer && percentile(peer[verb].times, 50)], 0.25)),
    ...verbs.map((verb) => ownP99(`cni ${verb} p99`, percentile(ours![verb].times, 99), percentile(ours![verb].times, 50))),
    ...verbs.flatMap((verb) => [50, 99].map((percent) =>
      against(`cni ${verb} p${percent} through the plugin`, `dual-stack pod, ${manyAtOnce} at a time`, [percentile(oursMany![verb].times, percent), peerMany && percentile(peerMany[verb].times, percent)], 0.25))),
    // What a loaded machine cannot distort.
    ...verbs.map((verb) => against(`cni ${verb} CPU time, plugin and agent`, `${manyPods} pods`, [oursMany![verb].cpuMs, peerMany?.[verb].cpuMs], 0.25)),
    ...verbs.map((verb) => against(`cni ${verb} of ${manyPods} pods, all done`, `${manyAtOnce} at a time`, [oursMany![verb].totalMs, peerMany?.[verb].totalMs], 0.2)),
  ]
}

/** What of the slowest calls is ours, and what the disk's: the same with a store that is memory. */
async function withoutDisk(folder: string): Promise<readonly BenchCase[]> {
  const [[, program]] = await programs()
  const own = join(folder, 'memory')
  const plugin = await installPlugin(own, program)
  await using node = await prepareNode()
  const store = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'weft-bench-'))
  try {
    await using agent = await startAgent(own, node, store)
    const arena = { folder: own, node, stopwatch: await buildStopwatch(own) }
    const contestants = [await ourContestant(own, plugin.path, agent.pid)]
    await contest(arena, contestants, { rounds: 2, jobs: 5, atOnce: 2 })
    const [ours] = await contest(arena, contestants, { rounds: turns, jobs: perTurn, atOnce: 1 })
    return (['ADD', 'DEL'] as const).map((verb) => ownP99(`cni ${verb} p99, store in memory`, percentile(ours![verb].times, 99), percentile(ours![verb].times, 50)))
  } finally {
    await rm(store, { recursive: true, force: true })
  }
}

function ownP99(name: string, p99: number, p50: number): BenchCase {
  return { name, size: 'dual-stack pod, 1 at a time', unit: 'ms', ours: p99, peer: p50, peer_name: 'our own p50', ratio: p99 / p50, goal: 'ratio <= 3', ok: p99 / p50 <= 3 }
}

async function wiring(folder: string): Promise<BenchCase> {
  await using node = await prepareNode()
  using nodeNetns = netnsOfSocket(node.route.socket.fd)
  const times: number[] = []
  for (let index = 0; index < wirings; index += 1) {
    const path = join(folder, `wire-${index}`)
    await createNetns(path)
    using pod = await RouteSocket.open({ netns: path })
    const identity = linkIdentity(`w${index}`, 'eth0')
    const ips = [parseIp(`10.244.2.${2 + index}`), parseIp(`fd00:10:244:2::${(2 + index).toString(16)}`)]
    const began = performance.now()
    await wirePod(pod, { route: node.route, nodeNetnsFd: nodeNetns.fd, sysctlFolder: '/proc/sys' }, { ...identity, podMac: parseMac(identity.podMac), ifname: 'eth0', ips, mtu: 1450, node: nodeAddresses })
    times.push(performance.now() - began)
    await deleteNetns(path)
  }
  const ours = percentile(times, 50)
  return { name: 'pod wiring p50 in the agent', size: 'dual-stack pod', unit: 'ms', ours, peer: undefined, peer_name: 'none: the goal is absolute', ratio: undefined, goal: 'ours <= 1.5 ms', ok: ours <= 1.5 }
}

export async function cases(): Promise<readonly BenchCase[]> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  try {
    return [...await throughPlugins(folder), ...await withoutDisk(folder), await wiring(folder)]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) for (const { name, size, ours, peer, ratio, goal, ok } of await cases()) console.log(`${ok === undefined ? '-   ' : ok ? 'ok  ' : 'MISS'} ${name}, ${size}: ${ours.toFixed(2)} / ${peer?.toFixed(2)} = ${ratio?.toFixed(3)} (${goal})`)
