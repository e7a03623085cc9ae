// The standalone program behind an API server with a whole cluster in it: prints a ProgramFigures as JSON. Run in network and mount namespaces of its own by cluster.bench.ts.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tables } from '@weft/api'
import { realClock } from '@weft/daemon'
import { loopbackIfIndex } from '@weft/ip'
import { type FakeObject, FakeApiServer } from '@weft/kube/testing'
import { RouteSocket } from '@weft/netlink'
import { NftSocket } from '@weft/nftables'
import { namespace, node, nodeName } from '../test/cluster.ts'
import { localPods, podObject, policyObject } from './cluster-shape.ts'

/** What one start of the program costs. */
export interface ProgramFigures {
  /** Milliseconds of CPU time from the start of the program until the kernel has all. */
  readonly cpuMs: number
  /** Resident megabytes afterwards. What is of files is the Node program itself, which all programs on the machine share; the rest is anonymous. */
  readonly rss: number
  readonly anonymousRss: number
  readonly peakRss: number
  readonly kind: 'bundled' | 'from sources'
}

/** Bundled where `./weft` has built programs, as `./weft bench` sees to. */
const bundle = join(import.meta.dirname, '../../../.weft/programs/current/weft-policy.js')
const kind = existsSync(bundle) ? 'bundled' : 'from sources'

function fillApi({ api }: FakeApiServer, { pods, policies, namespaces }: Readonly<Record<'pods' | 'policies' | 'namespaces', number>>): void {
  const put = (path: string, apiVersion: string, object: object): void => void api.put(path, { apiVersion, ...object } as FakeObject)
  put('/api/v1/nodes', 'v1', node(nodeName, ['172.30.1.11']))
  for (let index = 0; index < namespaces; index += 1) put('/api/v1/namespaces', 'v1', namespace(`n${index}`))
  for (let index = 0; index < pods; index += 1) put('/api/v1/pods', 'v1', podObject(index, namespaces))
  for (let index = 0; index < policies; index += 1) put('/apis/networking.k8s.io/v1/networkpolicies', 'networking.k8s.io/v1', policyObject(index, namespaces))
}

/** A line of /proc, in megabytes. */
function memory({ pid }: ChildProcess, file: 'status' | 'smaps_rollup', field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))![1]) / 1024
}

/** utime and stime of proc(5), which are hundredths of a second, in milliseconds. */
function cpuMs({ pid }: ChildProcess): number {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks) * 10, 0)
}

if (import.meta.main) {
  const folder = mkdtempSync(join(tmpdir(), 'weft-policy-program-'))
  using route = RouteSocket.openHere()
  route.setLink(loopbackIfIndex, { up: true })
  await using server = await FakeApiServer.start()
  fillApi(server, { pods: 10_000, policies: 2000, namespaces: 50 })
  for (const file of ['token', 'ca.crt']) writeFileSync(join(folder, file), 'bench')
  writeFileSync(join(folder, 'policy.yaml'), JSON.stringify({ nodeName, logLevel: 'warn', adminSocket: join(folder, 'policy.sock'), kube: { servers: [server.url], credentialsFolder: folder } }))
  const child = spawn(process.execPath, [...(kind === 'bundled' ? [bundle] : ['--conditions=dev', join(import.meta.dirname, '../src/main.ts')]), '--config', join(folder, 'policy.yaml')], { stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    using nft = NftSocket.openHere()
    const isComplete = (): boolean => nft.read('inet', tables.policy)?.table.maps.find(({ name }) => name === 'ingress4')?.elements.length === localPods
    for (let turn = 0; turn < 200 && !isComplete(); turn += 1) await realClock.sleep(300)
    if (!isComplete()) throw new Error(`Cannot measure the policy program: the kernel has not all ${localPods} pods`)
    const cpu = cpuMs(child)
    // It is done with its garbage.
    await realClock.sleep(5000)
    const figures: ProgramFigures = { cpuMs: cpu, rss: memory(child, 'smaps_rollup', 'Rss'), anonymousRss: memory(child, 'smaps_rollup', 'Anonymous'), peakRss: memory(child, 'status', 'VmHWM'), kind }
    process.stdout.write(`${JSON.stringify(figures)}\n`)
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
}
