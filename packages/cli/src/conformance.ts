import { spawn } from 'node:child_process'
import { createWriteStream, existsSync } from 'node:fs'
import { glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readDescriptor } from '@weft/checks'
import { type JunitCase, readJunit } from './junit.ts'
import { root, stateDir } from './paths.ts'

interface ConformanceOptions {
  /** File with a cluster descriptor, or `kind:NAME`. */
  readonly cluster: string
  /** Kubernetes' own end-to-end tests, built for the version of the cluster. */
  readonly binary: string
  /** As Ginkgo reads it. */
  readonly focus: string
  readonly onStart: (log: string) => void
}

/** What upstream's conformance says about networks. */
export const networkConformance: string = String.raw`\[sig-network\].*\[Conformance\]`
/** What has to stay as it is is said beside a test, in the report. */
const reportFile = 'docs/conformance.md'

/**
 * Runs Kubernetes' own end-to-end tests against a cluster and writes their results to `docs/conformance.md`.
 *
 * @returns The tests that were in focus.
 */
export async function runConformance({ cluster, binary, focus, onStart }: ConformanceOptions): Promise<readonly JunitCase[]> {
  const { kubeconfig, nodes } = await readDescriptor(cluster)
  const folder = join(stateDir, 'test/conformance')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const log = join(folder, 'log')
  onStart(log)
  const args = ['--ginkgo.no-color', '--ginkgo.timeout=6h', `--ginkgo.focus=${focus}`, '--kubeconfig', kubeconfig, '--provider', 'skeleton', '--num-nodes', String(Object.keys(nodes).length), '--dump-logs-on-failure=false', '--report-dir', folder]
  // The one it was built with, if it lies beside it; else that of PATH.
  const kubectl = join(dirname(binary), 'kubectl')
  if (existsSync(kubectl)) args.push('--kubectl-path', kubectl)
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = createWriteStream(log)
  child.stdout.pipe(output, { end: false })
  child.stderr.pipe(output, { end: false })
  const ended = await new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(`Cannot run "${binary}": give Kubernetes' e2e.test with --binary, or have it in PATH`, { cause })))
    child.once('close', (code) => resolve(code ?? 1))
  })
  output.end()
  const cases = (await Promise.all((await Array.fromAsync(glob('junit*.xml', { cwd: folder }))).map(async (file) => readJunit(await readFile(join(folder, file), 'utf8'))))).flat()
  if (cases.length === 0) throw new Error(`Cannot tell results: "${binary}" ended with ${ended} and reported no test; ${log} says why`)
  await writeFile(join(root, reportFile), formatReport(cases, focus))
  return cases
}

function formatReport(cases: readonly JunitCase[], focus: string): string {
  const passed = cases.filter(({ status }) => status === 'passed').length
  return [
    '# Kubernetes\' own tests',
    '',
    `Written by \`weft test conformance --cluster FILE\`; focus \`${focus}\`. ${passed} of ${cases.length} passed.`,
    '',
    '| | test | seconds | reason |',
    '|---|---|---|---|',
    ...cases.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, status, seconds, reason }) => `| ${status === 'passed' ? 'ok' : status} | ${cell(name)} | ${seconds.toFixed(1)} | ${cell(reason)} |`),
    '',
  ].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').slice(0, 300)
}
