/**
 * Pods attached and detached through the plugin, ours against Debian's bridge + host-local, in turn on one machine.
 * Run in namespaces of its own: `unshare -Urnm --propagation private node -C dev packages/cni/bench/cni.bench.ts`.
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchCase, percentile } from '@weft/daemon/bench'
import { parseIp, parseMac } from '@weft/ip'
import { createNetns, deleteNetns, netnsOfSocket, RouteSocket } from '@weft/netlink'
import { linkIdentity } from '../src/link-name.ts'
import { wirePod } from '../src/wire.ts'
import { eventually, networkConfig, nodeAddresses, prepareNode } from '../test/node-fixture.ts'
import { installPlugin, type InstalledPlugin, programs } from '../test/plugin.ts'
import type { TestNamespace } from '@weft/netlink/testing'

const peerDir = '/usr/lib/cni'
const pods = 30
const wirings = 200

interface Contestant {
  readonly plugin: string
  readonly configFile: string
}

interface Place {
  readonly netns: string
  readonly node: string
  readonly stopwatch: string
}

/** Milliseconds of one call of a plugin, process start included. */
function time({ plugin, configFile }: Contestant, command: string, containerId: string, { netns, node, stopwatch }: Place): number {
  const environment = { CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: 'eth0', CNI_PATH: peerDir, CNI_ARGS: 'IgnoreUnknown=1', PATH: process.env['PATH'] }
  return Number(execFileSync('nsenter', [`--net=${node}`, stopwatch, configFile, plugin], { env: environment, encoding: 'utf8' })) / 1000
}

async function startAgent(folder: string, node: TestNamespace): Promise<Disposable> {
  const child = spawn('nsenter', [`--net=${node.path}`, process.execPath, '-C', 'dev', new URL('../test/agent-child.ts', import.meta.url).pathname, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return { [Symbol.dispose]: () => void child.kill() }
}

async function throughPlugins(folder: string, plugin: InstalledPlugin): Promise<readonly BenchCase[]> {
  await using node = await prepareNode()
  using _agent = await startAgent(folder, node)
  const stopwatch = join(folder, 'stopwatch')
  execFileSync('cc', ['-O2', '-o', stopwatch, new URL('stopwatch.c', import.meta.url).pathname])
  const ours: Contestant = { plugin: plugin.path, configFile: join(folder, 'ours.json') }
  await writeFile(ours.configFile, networkConfig({ cniVersion: '1.0.0' }))
  const ranges = [[{ subnet: '10.245.0.0/16' }], [{ subnet: 'fd00:10:245::/64' }]]
  const peer: Contestant = { plugin: join(peerDir, 'bridge'), configFile: join(folder, 'peer.json') }
  await writeFile(peer.configFile, JSON.stringify({
    cniVersion: '1.0.0', name: 'peer', type: 'bridge', bridge: 'cni0', isGateway: true, isDefaultGateway: true, ipam: { type: 'host-local', dataDir: join(folder, 'host-local'), ranges },
  }))
  const havePeer = existsSync(peer.plugin)
  const figures: Record<'ADD' | 'DEL', { ours: number[], peer: number[] }> = { ADD: { ours: [], peer: [] }, DEL: { ours: [], peer: [] } }
  const netns = Array.from({ length: pods }, (_, index) => ({ ours: join(folder, `ours-${index}`), peer: join(folder, `peer-${index}`) }))
  for (const { ours, peer } of netns) for (const path of [ours, peer]) await createNetns(path)
  // All ADDs, then all DELs: the kernel tears links and namespaces down behind the answers, and that would slow the next call of either side.
  for (const verb of ['ADD', 'DEL'] as const) {
    for (const [index, paths] of netns.entries()) {
      figures[verb].ours.push(time(ours, verb, `ours-${index}`, { netns: paths.ours, node: node.path, stopwatch }))
      if (verb === 'DEL') await eventually('the link goes', () => node.route.findLink(linkIdentity(`ours-${index}`, 'eth0').hostIfname) === undefined)
      if (havePeer) figures[verb].peer.push(time(peer, verb, `peer-${index}`, { netns: paths.peer, node: node.path, stopwatch }))
    }
  }
  for (const { ours, peer } of netns) for (const path of [ours, peer]) await deleteNetns(path)
  return (['ADD', 'DEL'] as const).map((verb) => {
    const mine = percentile(figures[verb].ours, 50)
    const theirs = havePeer ? percentile(figures[verb].peer, 50) : undefined
    const ratio = theirs === undefined ? undefined : mine / theirs
    return {
      name: `cni ${verb} p50 through the plugin`, size: 'dual-stack pod', unit: 'ms', ours: mine, peer: theirs, ratio,
      peer_name: havePeer ? 'bridge + host-local' : 'bridge + host-local (not installed)', goal: 'ratio <= 0.33', ok: ratio === undefined || ratio <= 0.33,
    }
  })
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
    wirePod(pod, { route: node.route, nodeNetnsFd: nodeNetns.fd }, { ...identity, podMac: parseMac(identity.podMac), ifname: 'eth0', ips, mtu: 1450, node: nodeAddresses })
    times.push(performance.now() - began)
    await deleteNetns(path)
  }
  const ours = percentile(times, 50)
  return { name: 'pod wiring p50 in the agent', size: 'dual-stack pod', unit: 'ms', ours, peer: undefined, peer_name: 'none: the goal is absolute', ratio: undefined, goal: 'ours <= 1.5 ms', ok: ours <= 1.5 }
}

export async function cases(): Promise<readonly BenchCase[]> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  try {
    const [[, program]] = await programs()
    const plugin = await installPlugin(folder, program)
    return [...await throughPlugins(folder, plugin), await wiring(folder)]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) for (const line of await cases()) console.log(line)
