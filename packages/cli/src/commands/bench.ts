import { spawn } from 'node:child_process'
import { glob } from 'node:fs/promises'
import { arch, cpus, release } from 'node:os'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Bench, BenchCase } from '@weft/daemon/bench'
import { requireMachine } from '@weft/sandbox'
import { root } from '../paths.ts'
import { formatTable, ok, Progress } from '../terminal.ts'

/** Ours and the reference parts on real clusters, made by the provider that WEFT_PROVIDER names. */
const clusterBench = 'e2e/bench/cluster.host.bench.ts'

type AreaCase = BenchCase & { readonly area: string }

/**
 * Runs `packages/AREA/bench/*.bench.ts`: ours and peers in turn in one run. Exit code 1 when a goal is missed; one that was
 * not measured, for want of its peer, is told and not missed.
 *
 * @param areas Names of packages; all of them when empty.
 */
export async function bench(areas: readonly string[], { json }: { readonly json: boolean }): Promise<number> {
  const files = (await Array.fromAsync(glob(['packages/*/bench/*.bench.ts', clusterBench], { cwd: root }))).sort()
  const known = [...new Set(files.map(areaOf))]
  const unknown = areas.find((area) => !known.includes(area))
  if (unknown !== undefined) throw new Error(`Cannot measure area "${unknown}": the areas are ${known.join(', ')}`)
  // Root measures without a user namespace.
  if (process.getuid?.() !== 0) requireMachine()
  const progress = new Progress({ json })
  const results: AreaCase[] = []
  // Real clusters are asked for by name: not every machine can make them.
  for (const file of files.filter((each) => (areas.length === 0 ? each !== clusterBench : areas.includes(areaOf(each))))) {
    progress.say(`measuring ${areaOf(file)}: ${basename(file).replace(/(\.host)?\.bench\.ts$/, '')}`)
    results.push(...(await measure(file)).map((each) => ({ area: areaOf(file), ...each })))
  }
  progress.done()
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? arch()}, Linux ${release()}, Node ${process.versions.node}`
  if (json) process.stdout.write(`${JSON.stringify({ area: areas.length === 1 ? areas[0] : 'all', machine, cases: results.map(withNulls) })}\n`)
  else process.stdout.write(`${formatTable(['', 'area', 'case', 'size', 'ours', 'peer', 'ratio', 'goal', 'against'], results.map(row))}\n\n${machine}\n${unmeasured(results)}`)
  return results.some((each) => each.ok === false) ? 1 : 0
}

function areaOf(file: string): string {
  return file === clusterBench ? 'cluster' : file.split('/')[1]!
}

/** Kernel work happens in namespaces of the run's own; what needs the machine as it is says so by its name, `*.host.bench.ts`. */
async function measure(file: string): Promise<readonly BenchCase[]> {
  const path = join(root, file)
  if (file.endsWith('.host.bench.ts')) return await ((await import(path)) as { readonly cases: Bench }).cases()
  // Root keeps its own user namespace: some peers need rights that only the machine's root has (nft's large batches).
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  const child = spawn('unshare', [...user, '--net', '--mount', '--propagation', 'private', process.execPath, ...process.execArgv, join(root, 'packages/cli/src/bench-child.ts'), path], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, code] = await Promise.all([text(child.stdout), new Promise<number | null>((resolve) => child.once('exit', resolve))])
  if (code !== 0) throw new Error(`Cannot measure "${file}": the bench ended with ${code}`)
  return JSON.parse(output.trimEnd().split('\n').at(-1)!) as BenchCase[]
}

function row({ area, name, size, unit, ours, peer, peer_name, ratio, goal, ok: good }: AreaCase): string[] {
  return [ok(good), area, name, size, `${figure(ours)} ${unit}`, peer === undefined ? '-' : `${figure(peer)} ${unit}`, ratio === undefined ? '-' : ratio.toFixed(3), goal, peer_name]
}

/** What was not measured stands in the JSON, as null. */
function withNulls(each: AreaCase): object {
  return { ...each, peer: each.peer ?? null, ratio: each.ratio ?? null, ok: each.ok ?? null }
}

function unmeasured(results: readonly AreaCase[]): string {
  const count = results.filter((each) => each.ok === undefined).length
  return count === 0 ? '' : `${count} of ${results.length} goals not measured (-): the column "against" says why\n`
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toPrecision(2)
}
