import { glob } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { arch, cpus, release } from 'node:os'
import type { Bench, BenchCase } from '@weft/daemon/bench'
import { root } from '../paths.ts'
import { formatTable, ok, Progress } from '../terminal.ts'

/**
 * Runs every `*.bench.ts` in the bench folders of the packages: ours and peers in turn in one run. Exit code 1 when a goal is missed.
 *
 * @param areas Names of packages; all of them when empty.
 */
export async function bench(areas: readonly string[], { json }: { readonly json: boolean }): Promise<number> {
  const files = await Array.fromAsync(glob('packages/*/bench/*.bench.ts', { cwd: root }))
  const areaOf = (file: string): string => file.split('/')[1]!
  const unknown = areas.find((area) => !files.some((file) => areaOf(file) === area))
  if (unknown !== undefined) throw new Error(`Cannot measure area "${unknown}": the areas are ${[...new Set(files.map(areaOf))].sort().join(', ')}`)
  const progress = new Progress({ enabled: !json })
  const cases: (BenchCase & { readonly area: string })[] = []
  for (const file of files.filter((each) => areas.length === 0 || areas.includes(areaOf(each))).sort()) {
    progress.say(`measuring ${areaOf(file)} (${basename(file, '.bench.ts')})`)
    const { cases: run } = await import(join(root, file)) as { readonly cases: Bench }
    cases.push(...(await run()).map((each) => ({ area: areaOf(file), ...each })))
  }
  progress.done()
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? arch()}, Linux ${release()}, Node ${process.versions.node}`
  if (json) process.stdout.write(`${JSON.stringify({ area: areas.length === 1 ? areas[0] : 'all', machine, cases })}\n`)
  else process.stdout.write(`${formatTable(['', 'area', 'case', 'size', 'ours', 'peer', 'ratio', 'goal', 'against'], cases.map(row))}\n\n${machine}\n`)
  return cases.every((each) => each.ok) ? 0 : 1
}

function row({ area, name, size, unit, ours, peer, peer_name, ratio, goal, ok: good }: BenchCase & { readonly area: string }): string[] {
  return [ok(good), area, name, size, `${figure(ours)} ${unit}`, peer === undefined ? '-' : `${figure(peer)} ${unit}`, ratio === undefined ? '-' : ratio.toFixed(3), goal, peer_name]
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toPrecision(2)
}
