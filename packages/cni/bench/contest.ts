/** Plugins against the clock. */
import { execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { networkConfig } from '../test/node-fixture.ts'

const peerDir = '/usr/lib/cni'

export interface Contestant {
  readonly name: 'ours' | 'peer'
  readonly plugin: string
  readonly configFile: string
  /** Process that does the plugin's work. */
  readonly serverPid?: number | undefined
}

/** Times of calls, process start included, in milliseconds. */
export interface Lap {
  readonly times: readonly number[]
  readonly totalMs: number
  /** Of the plugins and of whoever works for them. */
  readonly cpuMs: number
}

interface LapPlan {
  readonly contestant: Contestant
  readonly verb: 'ADD' | 'DEL'
  readonly jobs: readonly { readonly containerId: string, readonly netns: string }[]
  readonly atOnce: number
  /** Path of the namespace the runtime is in. */
  readonly node: string
  readonly stopwatch: string
}

export async function buildStopwatch(folder: string): Promise<string> {
  const path = join(folder, 'stopwatch')
  await promisify(execFile)('cc', ['-O2', '-o', path, new URL('stopwatch.c', import.meta.url).pathname])
  return path
}

export async function ourContestant(folder: string, plugin: string, serverPid: number): Promise<Contestant> {
  const configFile = join(folder, 'ours.json')
  await writeFile(configFile, networkConfig({ cniVersion: '1.0.0' }))
  return { name: 'ours', plugin, configFile, serverPid }
}

export async function peerContestant(folder: string): Promise<Contestant> {
  const configFile = join(folder, 'peer.json')
  const ranges = [[{ subnet: '10.245.0.0/16' }], [{ subnet: 'fd00:10:245::/64' }]]
  await writeFile(configFile, JSON.stringify({
    cniVersion: '1.0.0', name: 'peer', type: 'bridge', bridge: 'cni0', isGateway: true, isDefaultGateway: true, ipam: { type: 'host-local', dataDir: join(folder, 'host-local'), ranges },
  }))
  return { name: 'peer', plugin: join(peerDir, 'bridge'), configFile }
}

/** @throws {Error} If a call failed. */
export async function runLap({ contestant, verb, jobs, atOnce, node, stopwatch }: LapPlan): Promise<Lap> {
  const serverBefore = serverCpuMs(contestant)
  const env = { CNI_COMMAND: verb, CNI_IFNAME: 'eth0', CNI_PATH: peerDir, CNI_ARGS: 'IgnoreUnknown=1', PATH: process.env['PATH'] }
  const child = spawn('nsenter', [`--net=${node}`, stopwatch, String(atOnce), contestant.configFile, contestant.plugin], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(jobs.map(({ containerId, netns }) => `${containerId} ${netns}\n`).join(''))
  let output = ''
  for await (const part of child.stdout.setEncoding('utf8')) output += String(part)
  const lines = output.trim().split('\n')
  const [totalMs = 0, pluginMs = 0] = lines.pop()!.split(' ').map((us) => Number(us) / 1000)
  const calls = lines.map((line) => line.split(' ').map(Number))
  const failed = calls.filter(([, code]) => code !== 0).length
  if (failed > 0 || calls.length !== jobs.length) throw new Error(`Cannot time ${verb} of ${contestant.name}: ${failed} of ${jobs.length} calls failed`)
  return { times: calls.map(([us]) => us! / 1000), totalMs, cpuMs: pluginMs + serverCpuMs(contestant) - serverBefore }
}

/** CPU a server has used so far, in steps of 10 ms (`proc_pid_stat(5)`: utime and stime). */
export function serverCpuMs({ serverPid }: Contestant): number {
  if (serverPid === undefined) return 0
  const fields = readFileSync(`/proc/${serverPid}/stat`, 'utf8').split(') ', 2)[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}
