import { spawn } from 'node:child_process'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fetchParts, hostPlatform } from '@weft/image'
import { requireMachine } from '@weft/sandbox'
import { networkConformance, runConformance } from '../conformance.ts'
import { enter } from '../enter.ts'
import { reportFailure } from '../failure.ts'
import type { JunitCase } from '../junit.ts'
import { root, stateDir } from '../paths.ts'
import { isSkipAllowed, parseAllowedSkips } from '../skip-reasons.ts'
import { formatTable, ok } from '../terminal.ts'

/** What one stage adds to the last line of `weft test`. */
interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Names with reasons, for the reader. */
  readonly skips: readonly string[]
  /** Those of them whose reason is none of `test/allowed-skips.txt`. */
  readonly unexplained?: readonly string[]
}

interface Stage {
  readonly name: string
  readonly run: () => Promise<Tally>
}

const allowedSkips = 'test/allowed-skips.txt'
const programs = join(root, 'node_modules/.bin')

/** Everything `weft test` runs, in order of cost. turbo caches the first two and never the others (turbo.json). */
const localStages: readonly Stage[] = [
  { name: 'static', run: runStatic },
  { name: 'unit', run: () => runVitest('unit', [join(programs, 'turbo'), 'run', '//#test:unit', '--output-logs=new-only', '--log-order=stream']) },
  // Real kernel work happens in namespaces of the run's own: no rights needed, nothing of the machine touched.
  { name: 'kernel', run: inNamespaces(async () => {
    // They have no network. A machine that has none either skips what needs these, and says why.
    await fetchParts({ root, platform: hostPlatform, cacheDir: join(stateDir, 'image') }).catch(() => undefined)
    return await runVitest('kernel', ['unshare', '--user', '--map-root-user', '--net', '--mount', ...vitestCommand('kernel')])
  }) },
  { name: 'e2e', run: inNamespaces(() => runVitest('e2e', vitestCommand('e2e'))) },
]

interface ClusterTestOptions {
  readonly focus?: string | undefined
  readonly binary?: string | undefined
}

/** What runs on a real cluster. */
const clusterStages = (file: string, { focus, binary }: ClusterTestOptions): readonly Stage[] => [
  { name: 'e2e', run: () => runVitest('cluster', [...vitestCommand('cluster'), ...(focus === undefined ? [] : ['-t', focus])], { WEFT_CLUSTER: file.startsWith('kind:') ? file : resolve(file) }) },
  { name: 'conformance', run: async () => {
    const cases = await runConformance({ cluster: file, binary: binary ?? 'e2e.test', focus: focus ?? networkConformance, onStart: (log) => process.stdout.write(`what it prints is in ${log}\n`) })
    const named = (status: JunitCase['status']): readonly JunitCase[] => cases.filter((each) => each.status === status)
    for (const { name, reason } of named('failed')) process.stdout.write(`${ok(false)} ${name}\n       ${reason}\n`)
    return { passed: named('passed').length, failed: named('failed').length, skipped: named('skipped').length, skips: named('skipped').map(({ name, reason }) => `conformance: ${name}: ${reason}`) }
  } },
]

/** Runs the stages asked for, all by default, and ends with `N passed, N failed, N skipped`. */
export async function test(names: readonly string[], options: ClusterTestOptions & { readonly cluster?: string | undefined }): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  const stages = options.cluster === undefined ? localStages : clusterStages(options.cluster, options)
  const unknown = names.filter((name) => !stages.some((stage) => stage.name === name))
  if (unknown.length > 0) throw new Error(`Cannot run test stage "${unknown[0]}": the stages are ${stages.map(({ name }) => name).join(', ')}`)
  // Upstream's tests take an hour: who wants them says so.
  const chosen = stages.filter(({ name }) => (names.length === 0 && name !== 'conformance') || names.includes(name))

  const rows: string[][] = []
  const total = { passed: 0, failed: 0, skipped: 0 }
  const skips: string[] = []
  const unexplained: string[] = []
  for (const { name, run } of chosen) {
    process.stdout.write(`\n== ${name}\n`)
    const start = performance.now()
    const tally = await run()
    total.passed += tally.passed
    total.failed += tally.failed
    total.skipped += tally.skipped
    skips.push(...tally.skips)
    unexplained.push(...tally.unexplained ?? [])
    rows.push([name, ok(tally.failed === 0 && (tally.unexplained ?? []).length === 0), String(tally.passed), String(tally.failed), String(tally.skipped), `${((performance.now() - start) / 1000).toFixed(1)} s`])
  }
  if (skips.length > 0) process.stdout.write(`\nskipped:\n${skips.map((skip) => `  ${skip}`).join('\n')}\n`)
  if (unexplained.length > 0) process.stdout.write(`\nskipped for a reason that ${allowedSkips} does not have (CONTRIBUTING.md says how to name one):\n${unexplained.map((skip) => `  ${skip}`).join('\n')}\n`)
  process.stdout.write(`\n${formatTable(['stage', '', 'passed', 'failed', 'skipped', 'time'], rows)}\n\n`)
  process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`)
  return total.failed === 0 && unexplained.length === 0 && total.passed > 0 ? 0 : 1
}

/** A machine that forbids namespaces fails the stage with the sentence that `weft up` has for it; the other stages go on. */
function inNamespaces(run: Stage['run']): Stage['run'] {
  return async () => {
    try {
      requireMachine()
    } catch (error) {
      reportFailure(error)
      return { passed: 0, failed: 1, skipped: 0, skips: [] }
    }
    return await run()
  }
}

/** Types, lint and unused code; each counts as one test. */
async function runStatic(): Promise<Tally> {
  const results = []
  for (const task of ['typecheck', 'lint', 'knip']) {
    results.push(await execute([join(programs, 'turbo'), 'run', `//#${task}`, '--output-logs=errors-only', '--log-order=stream']))
  }
  const failed = results.filter((code) => code !== 0).length
  return { passed: results.length - failed, failed, skipped: 0, skips: [] }
}

function vitestCommand(project: string): string[] {
  return [join(programs, 'vitest'), 'run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${reportFile(project)}`]
}

const reportFile = (project: string): string => join(stateDir, 'test', `${project}.json`)

async function runVitest(project: string, command: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Tally> {
  await mkdir(join(stateDir, 'test'), { recursive: true })
  await rm(reportFile(project), { force: true })
  const code = await execute(command, environment)
  const report = await readReport(project)
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0, skips: [] }
  const tests = report.testResults.flatMap((file) => file.assertionResults)
  const skipped = tests.filter(({ status }) => status === 'skipped' || status === 'pending' || status === 'todo')
  const failed = tests.filter(({ status }) => status === 'failed').length
  const named = (test: (typeof tests)[number]): string => `${project}: ${test.fullName}`
  const allowed = parseAllowedSkips(await readFile(join(root, allowedSkips), 'utf8'))
  return {
    passed: tests.filter(({ status }) => status === 'passed').length,
    // A file that could not be loaded has no tests, and a run may fail for an unhandled error alone.
    failed: code !== 0 && failed === 0 ? 1 : failed,
    skipped: skipped.length,
    skips: skipped.map(named),
    // A real cluster has reasons of its own, told by the promises that were not tried.
    unexplained: project === 'cluster' ? [] : skipped.filter(({ fullName }) => !isSkipAllowed(fullName, allowed)).map(named),
  }
}

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly { readonly fullName: string, readonly status: string }[] }[]
}

async function readReport(project: string): Promise<Report | undefined> {
  try {
    return JSON.parse(await readFile(reportFile(project), 'utf8')) as Report
  } catch {
    return undefined
  }
}

/** Runs a command with our own output streams and resolves to its exit code. */
async function execute([file, ...args]: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<number> {
  const child = spawn(file!, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...environment, NODE_OPTIONS: '--conditions=dev --disable-warning=ExperimentalWarning', TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', TURBO_CACHE_DIR: join(stateDir, 'turbo') },
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)))
  })
}
