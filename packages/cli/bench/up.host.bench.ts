import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type BenchCase, median } from '@weft/daemon/bench'
import { sandboxStatus } from '@weft/sandbox'
import { root, sandboxDir } from '../src/paths.ts'

const rounds = 3
const run = promisify(execFile)

interface UpReport {
  readonly ready_ms: number
  readonly green_ms: number
  readonly checks: readonly { readonly ok: boolean, readonly tried: boolean }[]
}

/** `weft up` and `weft down` as a user has them, three nodes; the peer would be `kind create cluster`, which needs Docker. */
export async function cases(): Promise<readonly BenchCase[]> {
  if ((await sandboxStatus(sandboxDir)).kind !== 'none') throw new Error('Cannot measure `weft up`: a cluster is running, want none (`./weft down`)')
  const figures = { ready: [] as number[], green: [] as number[], down: [] as number[] }
  let held = true
  // The first round fills the compile cache and does not count.
  for (let round = 0; round <= rounds; round += 1) {
    const up = await weft<UpReport>('up')
    const down = await weft<{ readonly down_ms: number }>('down')
    held &&= up.checks.every(({ ok, tried }) => ok && tried)
    if (round === 0) continue
    figures.ready.push(up.ready_ms)
    figures.green.push(up.green_ms)
    figures.down.push(down.down_ms)
  }
  const row = (name: string, values: readonly number[], goalMs: number): BenchCase => {
    const ours = median(values)
    return { name, size: '3 nodes', unit: 'ms', ours, peer: undefined, peer_name: 'none: kind needs Docker', ratio: undefined, goal: `<= ${goalMs} ms, all promises hold`, ok: held && ours <= goalMs }
  }
  return [row('up until nodes and demo are Ready', figures.ready, 4000), row('up until all is proved', figures.green, 10_000), row('down', figures.down, 1000)]
}

async function weft<T>(command: string): Promise<T> {
  const { stdout } = await run(join(root, 'weft'), [command, '--json'], { timeout: 120_000 })
  return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as T
}
