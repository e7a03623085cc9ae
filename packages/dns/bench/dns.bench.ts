import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BenchCase, interleave, median } from '@weft/daemon/bench'
import { addressOf, serviceNames } from './workload.ts'

const rounds = 3
const seconds = 2
const services = 10_000
/**
 * CoreDNS 1.14.7 with the kubernetes plugin on one core, measured beside unbound on the same names: a quarter of its
 * queries a second for 4.3 times its CPU. CoreDNS cannot be had here, so goals are set against unbound.
 */
const goals = { rate: 0.5, cost: 2.9 }

interface Load {
  readonly answered: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

interface Server extends AsyncDisposable {
  readonly port: number
  readonly pid: number
}

/** Queries per second, latency and server CPU for cluster names over loopback, against unbound with the same names. */
export async function cases(): Promise<readonly BenchCase[]> {
  const unbound = findProgram('unbound')
  await using ours = await startOurs()
  await using peer = unbound === undefined ? undefined : await startUnbound(unbound)
  const peerName = peer === undefined ? 'unbound is not installed' : 'unbound, one thread'
  const costs = { ours: [] as number[], peer: [] as number[] }
  const tails = { ours: [] as number[], peer: [] as number[] }
  const run = (server: Server, who: 'ours' | 'peer') => async (): Promise<number> => {
    const before = cpuSeconds(server.pid)
    const load = await ask(server.port, 64)
    costs[who].push(((cpuSeconds(server.pid) - before) * 1e6) / load.answered)
    tails[who].push(load.p99Ms)
    return load.perSecond
  }
  const rate = peer === undefined
    ? { ours: await repeat(run(ours, 'ours')), peer: undefined }
    : await interleave({ rounds, ours: run(ours, 'ours'), peer: run(peer, 'peer') })
  const quiet = await ask(ours.port, 1)
  const size = `${services} services`
  const line = (name: string, unit: string, figures: Figures, goal: Goal): BenchCase =>
    ({ name, size, unit, ours: figures.ours, peer: figures.peer, peer_name: peerName, ratio: figures.peer === undefined ? undefined : figures.ours / figures.peer, goal: goal.text, ok: goal.ok })
  const cost = { ours: median(costs.ours.slice(1)), peer: peer === undefined ? undefined : median(costs.peer.slice(1)) }
  const tail = { ours: median(tails.ours.slice(1)), peer: peer === undefined ? undefined : median(tails.peer.slice(1)) }
  return [
    line('cluster names over UDP', 'queries/s', rate, atLeast(rate, goals.rate)),
    line('server CPU per query', 'us', cost, atMost(cost, goals.cost)),
    line('p99 with 64 in flight', 'ms', tail, { text: 'ours <= 10', ok: tail.ours <= 10 }),
    line('p50 with 1 in flight', 'ms', { ours: quiet.p50Ms, peer: undefined }, { text: 'ours <= 0.2', ok: quiet.p50Ms <= 0.2 }),
  ]
}

interface Figures {
  readonly ours: number
  readonly peer: number | undefined
}

interface Goal {
  readonly text: string
  /** Undefined without a peer: it is not measured then. */
  readonly ok: boolean | undefined
}

function atLeast({ ours, peer }: Figures, ratio: number): Goal {
  return { text: `ratio >= ${ratio}`, ok: peer === undefined ? undefined : ours / peer >= ratio }
}

function atMost({ ours, peer }: Figures, ratio: number): Goal {
  return { text: `ratio <= ${ratio}`, ok: peer === undefined ? undefined : ours / peer <= ratio }
}

async function repeat(run: () => Promise<number>): Promise<number> {
  const figures: number[] = []
  for (let round = 0; round <= rounds; round++) figures.push(await run())
  return median(figures.slice(1))
}

async function startOurs(): Promise<Server> {
  const child = spawn(process.execPath, ['-C', 'dev', fileURLToPath(new URL('dns-server.ts', import.meta.url)), String(services)], { stdio: ['ignore', 'pipe', 'inherit'] })
  return serverOf(child, Number(await firstLine(child)))
}

async function startUnbound(program: string): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-unbound-'))
  const port = 20_000 + (process.pid % 20_000)
  const data = serviceNames(services).map(({ name }, index) => `  local-data: "${name}. 5 IN A ${addressOf(index)}"`)
  writeFileSync(join(folder, 'unbound.conf'), `server:
  interface: 127.0.0.1
  port: ${port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "${folder}"
  pidfile: ""
  use-syslog: no
  num-threads: 1
  local-zone: "cluster.local." static
${data.join('\n')}
`)
  const child = spawn(program, ['-c', join(folder, 'unbound.conf'), '-d'], { stdio: 'ignore' })
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const server = serverOf(child, port)
  return { ...server, async [Symbol.asyncDispose]() {
    await server[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  } }
}

function serverOf(child: ChildProcess, port: number): Server {
  return { port, pid: child.pid!, async [Symbol.asyncDispose]() {
    if (child.exitCode !== null) return
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await exited
  } }
}

async function ask(port: number, inFlight: number): Promise<Load> {
  const child = spawn(process.execPath, ['-C', 'dev', fileURLToPath(new URL('dns-client.ts', import.meta.url)), String(port), String(services), String(seconds), String(inFlight)], { stdio: ['ignore', 'pipe', 'inherit'] })
  return JSON.parse(await firstLine(child)) as Load
}

async function firstLine(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of child.stdout!) {
    text += String(chunk)
    if (text.includes('\n')) break
  }
  return text.trim()
}

/** User and system time of a process. Fields 14 and 15 of /proc/<pid>/stat, in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function findProgram(name: string): string | undefined {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin'].map((folder) => join(folder, name)).find((file) => existsSync(file))
}
