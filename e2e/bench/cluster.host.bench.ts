import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type BenchCase, percentile } from '@weft/daemon/bench'
import type { ClusterFigures } from './measure-cluster.ts'
import { type BenchCluster, type Network, output, startCluster, weft } from './provider.ts'

const peerName = 'bridge + host-local + kube-proxy nftables + CoreDNS'

/** Ten thousand Services alone take minutes with kube-proxy on a busy machine. Milliseconds. */
const measureMs = 1_800_000

interface Installed {
  readonly green_ms: number
  readonly checks: readonly { readonly ok: boolean }[]
}

/** A real cluster with our network, and the same with the reference parts, one after the other: no machine holds both. */
export async function cases(): Promise<readonly BenchCase[]> {
  const provider = process.env['WEFT_PROVIDER']
  if (provider === undefined) throw new Error('Cannot measure clusters: WEFT_PROVIDER names no provider of clusters (build.sh, up.sh, down.sh)')
  let installed: Installed | undefined
  const ours = await onCluster(provider, 'none', async (cluster) => {
    installed = await install(cluster)
    return await measure(cluster, ['weft-agent', 'weft-dns'])
  })
  const peer = await onCluster(provider, 'basic', async (cluster) => await measure(cluster, ['kube-proxy', 'coredns']))
  return [
    { name: 'install until all is proved', size: '3 nodes', unit: 'ms', ours: installed!.green_ms, peer: undefined, peer_name: 'none', ratio: undefined, goal: '<= 30000 ms', ok: installed!.green_ms <= 30_000 && installed!.checks.every(({ ok }) => ok) },
    compare('pods, created to Ready, p50', '100 pods on 2 nodes', 'ms', percentile(ours.podMs, 50), percentile(peer.podMs, 50)),
    compare('pods, created to Ready, p99', '100 pods on 2 nodes', 'ms', percentile(ours.podMs, 99), percentile(peer.podMs, 99), 1),
    compare('network set-up in the runtime, p50', '100 pods on 2 nodes', 'ms', ours.setupMs, peer.setupMs, 1 / 3),
    compare('Service applied until it answers, p50', '50 endpoints', 'ms', percentile(ours.serviceMs, 50), percentile(peer.serviceMs, 50), 0.5),
    compare('Service applied until it answers, p99', '50 endpoints', 'ms', percentile(ours.serviceMs, 99), percentile(peer.serviceMs, 99), 0.5),
    compare('memory of a node (PSS)', '1000 services', 'MiB', ours.pssMib[0]!, peer.pssMib[0]!),
    compare('memory of a node (PSS)', '10000 services', 'MiB', ours.pssMib[1]!, peer.pssMib[1]!, 1),
    { ...compare('CPU of a node, idle', '1000 services', '% of a core', ours.idlePercent, peer.idlePercent), goal: '<= 0.5 %', ok: ours.idlePercent <= 0.5 },
  ]
}

async function onCluster<T>(provider: string, network: Network, work: (cluster: BenchCluster) => Promise<T>): Promise<T> {
  await using cluster = await startCluster(provider, network)
  return await work(cluster)
}

/** The image is on every node before the clock starts. */
async function install({ path, machines }: BenchCluster): Promise<Installed> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-image-'))
  try {
    const archive = join(folder, 'weft.tar')
    await weft(['image', 'build', '-o', archive])
    await output([...machines.load!, archive])
  } finally {
    await rm(folder, { recursive: true })
  }
  return await weft<Installed>(['install', '--cluster', path])
}

/** What it says of itself while it measures is the user's to read: both clusters take some twenty minutes. */
async function measure({ path, machines }: BenchCluster, programs: readonly string[]): Promise<ClusterFigures> {
  const [file, ...args] = [...machines.enter, process.execPath, ...process.execArgv, join(import.meta.dirname, 'measure-cluster.ts'), path, ...programs]
  const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: measureMs })
  const [figures, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number | null, string | null]>])
  if (code !== 0) throw new Error(`Cannot measure the cluster with ${programs.join(' and ')}: the measuring program ended with ${code ?? signal}`)
  return JSON.parse(figures) as ClusterFigures
}

function compare(name: string, size: string, unit: string, ours: number, peer: number, most?: number): BenchCase {
  const ratio = ours / peer
  return { name, size, unit, ours, peer, peer_name: peerName, ratio, goal: most === undefined ? 'reported' : `ratio <= ${Number(most.toFixed(2))}`, ok: most === undefined || ratio <= most }
}
